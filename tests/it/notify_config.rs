//! The tables of notifications and the keys of hooks in a configuration: what is refused, and in
//! which words. No secret is repeated.

use crate::world::World;

#[track_caller]
fn refused(config: &str, error: &str) {
    let world = World::new().file("bkverify.toml", config);
    let ran = world.run("plan").exits(2);
    assert!(!ran.err.contains("hunter2"), "{ran}");
    let err = ran.err.replace(&format!("{}, ", world.path("bkverify.toml").display()), "");
    assert_eq!(err.trim_end(), format!("bkverify: error: {error}"));
}

#[test]
fn unknown_keys_are_errors_with_their_line_and_the_nearest_name() {
    refused("[notify]\nwehn = 'always'\n", "line 2: unknown key \"wehn\"\n  hint: did you mean when?");
    refused(
        "[jobs.a]\n[[jobs.a.notify.webhook]]\nfomr = 'x'\n",
        "line 3: unknown key \"fomr\"\n  hint: did you mean form?",
    );
    refused("[[notify.emial]]\n", "line 1: unknown key \"emial\"\n  hint: did you mean email?");
    refused(
        "[[notify.command]]\nx = 1\n",
        "line 2: unknown key \"x\"\n  hint: its keys are run, when, time-limit",
    );
    refused("bfore = 'x'\n", "line 1: unknown key \"bfore\"\n  hint: did you mean before?");
    refused("[notfy]\n", "line 1: unknown key \"notfy\"\n  hint: did you mean notify?");
}

#[test]
fn wrong_values_are_errors_with_their_line() {
    refused(
        "[notify]\nwhen = 'sometimes'\n",
        "line 2: invalid value 'sometimes': expected one of always, on-change, on-failure, never",
    );
    refused(
        "[notify]\ntime-limit = 'soon'\n",
        "line 2: invalid value 'soon': expected a duration such as 2h, 90m or 1h30m",
    );
    refused(
        "notify = 5\n",
        "line 1: expected a table, found integer\n  hint: write a table: [notify] or [jobs.NAME.notify]",
    );
    refused("[[notify.webhook]]\nform = 'ntfy'\n", "line 1: url is missing here");
    refused("[[notify.webhook]]\nurl = 'hunter2'\n", "line 2: the URL must begin with https:// or http://");
    refused("[[notify.email]]\nto = 'a@b.example'\nfrom = 'c@d.example'\n", "line 1: server is missing here");
    let mail = "[[notify.email]]\nto = 'a@b.example'\nserver = 'mail.example'\n";
    refused(
        &format!("{mail}from = 'nobody'\n"),
        "line 1: \"nobody\" is not a mail address\n  hint: write it as name@example.org or \"Name <name@example.org>\"",
    );
    refused(
        &format!("{mail}from = 'a@b.example'\nuser = 'x'\n"),
        "line 1: user and password are needed together",
    );
    refused(
        &format!("{mail}from = 'a@b.example'\nuser = 'x'\nsecurity = 'none'\npassword = {{ env = 'P' }}\n"),
        "line 1: the password would be sent in clear text over the network\n  hint: use security = \"starttls\" or security = \"tls\"",
    );
    let list = "\n  hint: write a list: [\"PROGRAM\", \"ARGUMENT\", \"ARGUMENT\"]";
    refused(
        "[[notify.command]]\nrun = 'hunter2'\n",
        &format!("line 2: expected a program and its arguments{list}"),
    );
    refused("before = ['x', 2]\n", &format!("line 1: a program and its arguments are texts in quotes{list}"));
    refused("after = []\n", &format!("line 1: there is no program to run{list}"));
    refused(
        "hook-time-limit = 'x'\n",
        "line 1: invalid value 'x': expected a duration such as 2h, 90m or 1h30m",
    );
}

#[test]
fn a_secret_in_the_configuration_itself_is_refused_with_what_to_write_instead() {
    let hint = "\n  hint: write { file = \"PATH\" }, { env = \"NAME\" } or { command = [\"PROGRAM\", \"ARGUMENT\"] }; bkverify \
                help notify has examples";
    let mail = "[[notify.email]]\nto = 'a@b.example'\nfrom = 'a@b.example'\nserver = 's'\nuser = 'u'\n";
    refused(
        &format!("{mail}password = 'hunter2'\n"),
        &format!("line 6: password may not be written here itself, but only where it is{hint}"),
    );
    refused(
        &format!("{mail}password = {{ file = 'a', env = 'b' }}\n"),
        &format!("line 6: password must come from exactly one place{hint}"),
    );
    refused(
        &format!("{mail}password = {{ fiel = 'hunter2' }}\n"),
        "line 6: unknown key \"fiel\"\n  hint: did you mean file?",
    );
    refused(
        "[[notify.webhook]]\nurl = 'https://x'\ntoken = 'hunter2'\n",
        &format!("line 3: token may not be written here itself, but only where it is{hint}"),
    );
}
