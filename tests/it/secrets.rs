//! Secrets come from a file, an environment variable or a program, reach the server that needs
//! them, and appear nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::http_server::{Answer, HttpServer};
use crate::notify_webhook::job;
use crate::world::{RunResult, World};

const SECRET: &str = "5ecre7-p4ss";

/// A job that sends a token from this source, and then lists the command lines of all processes.
fn world(server: &HttpServer, source: &str) -> World {
    let notify = format!(
        "before = 'ps axww -o args >before.txt'\nafter = 'ps axww -o args >after.txt'\n[jobs.nightly.notify]\nwhen = 'always'\n\
         [[jobs.nightly.notify.webhook]]\nurl = '{}'\ntoken = {source}\n\
         [[jobs.nightly.notify.command]]\nrun = ['sh', '-c', 'cat >message.json; env >variables.txt']\n",
        server.url("/hook")
    );
    let world = job(true, &notify).file("secret", format!("{SECRET}\nsecond line\n"));
    fs::set_permissions(world.path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    world
}

fn run(world: &World, arguments: &str) -> RunResult {
    let mut command = world.command(arguments);
    command.env("HTTP_PROXY", "").env("http_proxy", "").env("BKVERIFY_TEST_SECRET", SECRET);
    RunResult::of(command, "")
}

/// Every file in the world but the one that holds the secret, and the environment that was given.
fn written(world: &World) -> Vec<(String, String)> {
    let files = walkdir::WalkDir::new(world.path("")).into_iter().map(Result::unwrap);
    let files = files.filter(|file| file.file_type().is_file());
    let names = files.map(|file| file.path().display().to_string());
    let names = names.filter(|name| !name.ends_with("/secret") && !name.ends_with("/variables.txt"));
    names
        .map(|name| (name.clone(), String::from_utf8_lossy(&fs::read(&name).unwrap()).into_owned()))
        .collect()
}

#[test]
fn a_secret_of_every_kind_reaches_the_server_and_appears_nowhere() {
    for source in
        ["{ file = 'secret' }", "{ env = 'BKVERIFY_TEST_SECRET' }", "{ command = ['cat', 'secret'] }"]
    {
        let server = HttpServer::start(&[Answer::status("200 OK")]);
        let world = world(&server, source);
        let shown = [
            run(&world, "plan --job nightly").exits(0),
            run(&world, "--job nightly -vv --json report.json --junit report.xml --keep all").exits(1),
            run(&world, "notify test --job nightly").exits(0),
        ];
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "{source}");
        let header = format!("authorization: bearer {SECRET}\n");
        assert!(requests.iter().all(|request| request.headers.contains(&header)), "{source}: {requests:?}");
        for ran in shown {
            assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET), "{source}: {ran}");
        }
        let files = written(&world);
        assert!(files.len() > 6 && files.iter().any(|(name, _)| name.ends_with("after.txt")), "{files:?}");
        for (name, content) in files {
            assert!(!content.contains(SECRET), "{source}: {name}: {content}");
        }
    }
}

#[test]
fn a_file_that_others_can_read_is_refused_and_the_result_stays() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let world = world(&server, "{ file = 'secret' }");
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(world.path("secret"), fs::Permissions::from_mode(mode)).unwrap();
        let place = world.path("secret").display().to_string();
        let warning = format!("other users can read the secret in {place}: run chmod 600 {place}");
        run(&world, "--job nightly").exits(1).err_has(&warning);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_secret_that_cannot_be_had_says_where_it_was_looked_for_and_not_what_was_there() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    for (source, problem) in [
        ("{ file = 'none' }", "cannot read the secret from "),
        ("{ file = 's' }", "it is not a regular file"),
        (
            "{ env = 'BKVERIFY_TEST_UNSET' }",
            "the environment variable BKVERIFY_TEST_UNSET, which should hold a secret, is not set",
        ),
        ("{ command = ['sh', '-c', 'cat secret; exit 3'] }", "`sh` ended with exit code 3"),
        ("{ command = ['true'] }", "the output of true is empty"),
    ] {
        let world = world(&server, source);
        let ran = run(&world, "--job nightly").exits(1);
        assert!(!ran.err.contains(SECRET), "{ran}");
        ran.err_has(problem);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn an_address_may_be_a_secret() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let notify = "[[jobs.nightly.notify.webhook]]\nurl = { file = 'secret' }\n";
    let world = job(true, notify).file("secret", server.url("/5ecre7-p4ss"));
    fs::set_permissions(world.path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    run(&world, "--job nightly").exits(1).err_is("");
    assert_eq!(server.requests()[0].line, "POST /5ecre7-p4ss HTTP/1.1");
    let place = world.path("secret").display().to_string();
    run(&world, "plan").exits(0).out_has(&format!("webhook with its URL from the file {place} (json)"));
}
