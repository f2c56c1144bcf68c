//! Webhooks, against servers that take a message, and against servers that misbehave. A message
//! that cannot be delivered is one warning; it never changes the result.

use serde_json::Value;

use crate::http_server::{Answer, HttpServer};
use crate::pack::Member;
use crate::world::{RunResult, World};

/// A world with a job that tells these webhooks. Of its two files, one is bad if it `fails`.
pub fn job(fails: bool, notify: &str) -> World {
    let good = [Member::new("a", "good"), Member::new("b", "same")];
    let copy = if fails { "diff" } else { "same" };
    let stored = [good[0].clone(), Member::new("b", copy)];
    let config = format!(
        "backup = 'b'\nsource = 's'\nrestore-to = 'r'\ncache = 'use'\nsample = 'all'\ncompleteness = 0\n\
         assume-unchanged = true\n[jobs.nightly]\nseed = 'x'\n{notify}"
    );
    World::new().originals(&good).backup("folder", &stored).folder("r").file("bkverify.toml", config)
}

fn webhook(server: &HttpServer, more: &str) -> String {
    format!(
        "[jobs.nightly.notify]\nwhen = 'always'\n[[jobs.nightly.notify.webhook]]\nurl = '{}'\n{more}\n",
        server.url("/5ecre7")
    )
}

fn run(world: &World) -> RunResult {
    let mut command = world.command("--job nightly");
    for variable in ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        command.env_remove(variable);
    }
    let ran = RunResult::of(command, "");
    assert!(!ran.out.contains("5ecre7") && !ran.err.contains("5ecre7"), "the URL is shown\n{ran}");
    ran
}

#[test]
fn a_server_gets_the_message_as_json_and_a_pass_stays_silent_on_standard_error() {
    let server = HttpServer::start(&[Answer::status("204 No Content")]);
    run(&job(false, &webhook(&server, ""))).exits(0).err_is("");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, "POST /5ecre7 HTTP/1.1");
    assert!(requests[0].headers.contains("content-type: application/json"), "{}", requests[0].headers);
    let json: Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!((&json["schema"], &json["job"]), (&"bkverify-notice/1".into(), &"nightly".into()));
    assert_eq!((&json["result"], &json["counts"]["verified"]), (&"pass".into(), &2.into()));
}

#[test]
fn a_failed_run_names_its_files_and_keeps_its_exit_code_whatever_the_server_does() {
    let server = HttpServer::start(&[Answer::status("500 Internal Server Error")]);
    let ran = run(&job(true, &webhook(&server, "time-limit = '5s'"))).exits(1);
    let warning = "could not notify webhook http://127.0.0.1:";
    ran.err_has(warning).err_has("it answered 500 Internal Server Error (tried 2 times)");
    let json: Value = serde_json::from_str(&server.requests()[0].body).unwrap();
    assert_eq!((&json["result"], &json["findings"][0]["path"]), (&"fail".into(), &"b".into()));
}

#[test]
fn a_server_that_recovers_is_told_on_the_second_attempt() {
    let server = HttpServer::start(&[Answer::Close, Answer::status("200 OK")]);
    run(&job(false, &webhook(&server, ""))).exits(0).err_is("");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_server_that_stalls_or_trickles_is_given_up_at_the_time_limit() {
    for answer in [Answer::Never, Answer::Trickle] {
        let server = HttpServer::start(&[answer]);
        let ran = run(&job(false, &webhook(&server, "time-limit = '1s'"))).exits(0);
        assert_eq!(ran.err.lines().count(), 1, "{ran}");
        ran.err_has("no answer within 1 s");
    }
}

#[test]
fn what_is_no_http_is_an_error() {
    let server = HttpServer::start(&[Answer::Garbage]);
    let ran = run(&job(false, &webhook(&server, "time-limit = '1s'"))).exits(0);
    assert_eq!(ran.err.lines().count(), 1, "{ran}");
    ran.err_has("could not notify webhook");
}

#[test]
fn a_redirect_is_not_followed_and_the_warning_says_where_it_leads() {
    let other = HttpServer::start(&[Answer::status("200 OK")]);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("Location: {}\r\n", other.url("/5ecre7/elsewhere"));
        let server = HttpServer::start(&[Answer::With(status, location, "")]);
        let ran = run(&job(false, &webhook(&server, ""))).exits(0);
        ran.err_has(status).err_has(&format!("a redirect to {}", other.url("/***")));
        assert_eq!(server.requests().len(), 1, "a redirect is no reason to try again");
    }
    assert!(other.requests().is_empty(), "the message went to another server");
}

#[test]
fn a_refusal_is_final_and_is_repeated_without_the_address() {
    let server =
        HttpServer::start(&[Answer::With("404 Not Found", String::new(), "no hook at /5ecre7\x1b[2J")]);
    let ran = run(&job(false, &webhook(&server, ""))).exits(0);
    ran.err_has("it answered 404 Not Found: no hook at /***?[2J");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_that_is_not_there_is_one_warning_beside_those_that_are() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let gone = "[[jobs.nightly.notify.webhook]]\nurl = 'http://127.0.0.1:9/5ecre7'\ntime-limit = '1s'\n";
    let ran = run(&job(false, &format!("{}{gone}", webhook(&server, "")))).exits(0);
    assert_eq!(ran.err.lines().count(), 1, "{ran}");
    ran.err_has("could not notify webhook http://127.0.0.1:9/***");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn healthchecks_get_start_and_the_result_in_this_order() {
    for (fails, last, code) in [(false, "POST /5ecre7 HTTP/1.1", 0), (true, "POST /5ecre7/fail HTTP/1.1", 1)]
    {
        let server = HttpServer::start(&[Answer::status("200 OK")]);
        // It is pinged always, whatever holds for the others.
        let notify = format!(
            "[jobs.nightly.notify]\nwhen = 'never'\n[[jobs.nightly.notify.webhook]]\nform = 'healthchecks'\nurl = '{}'\n",
            server.url("/5ecre7")
        );
        run(&job(fails, &notify)).exits(code).err_is("");
        let lines: Vec<_> = server.requests().into_iter().map(|request| request.line).collect();
        assert_eq!(lines, ["POST /5ecre7/start HTTP/1.1", last]);
        assert!(server.requests()[1].body.contains("Job:      nightly"), "{:?}", server.requests());
    }
}

#[test]
fn a_run_that_cannot_begin_is_told_too() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let world = job(false, &webhook(&server, "form = 'slack'"));
    std::fs::remove_dir_all(world.path("b")).unwrap();
    run(&world).exits(4);
    let json: Value = serde_json::from_str(&server.requests()[0].body).unwrap();
    let text = json["text"].as_str().unwrap();
    assert!(text.starts_with("*[bkverify] ERROR nightly on "), "{text}");
}

#[test]
fn only_a_run_that_does_not_pass_is_told_unless_it_is_asked_for() {
    for (fails, code, times) in [(false, 0, 0), (true, 1, 1)] {
        let server = HttpServer::start(&[Answer::status("200 OK")]);
        let url = server.url("/5ecre7");
        run(&job(fails, &format!("[[jobs.nightly.notify.webhook]]\nurl = '{url}'\n"))).exits(code).err_is("");
        assert_eq!(server.requests().len(), times);
    }
}

#[test]
fn a_run_whose_backup_a_flag_names_is_no_job_and_tells_nobody() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let notify = format!("[[notify.webhook]]\nwhen = 'always'\nurl = '{}'\n", server.url("/x"));
    let world = job(false, &notify);
    world.run("--backup b").exits(0);
    assert!(server.requests().is_empty());
    world.run("--job nightly").exits(0);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_test_message_reaches_everybody_and_says_what_happened() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let url = server.url("/5ecre7");
    let notify = format!(
        "[[jobs.nightly.notify.webhook]]\nform = 'healthchecks'\nurl = '{url}'\n\
         [[jobs.nightly.notify.webhook]]\nform = 'ntfy'\nwhen = 'never'\nurl = '{url}'\n"
    );
    let world = job(false, &notify);
    let ran = world.run("notify test --job nightly").exits(0);
    let host = server.url("/***");
    ran.out_is(&format!(
        "told    webhook {host} (healthchecks): 200 OK\ntold    webhook {host} (ntfy): 200 OK\n"
    ));
    let mut lines: Vec<_> = server.requests().into_iter().map(|request| request.line).collect();
    lines.sort();
    // A test must not count as a ping of the job.
    assert_eq!(lines, ["POST / HTTP/1.1", "POST /5ecre7/log HTTP/1.1"]);
    let broken = format!("{notify}[[jobs.nightly.notify.command]]\nrun = ['no-such-program']\n");
    let ran = job(false, &broken).run("notify test").exits(1);
    ran.out_has("FAILED  command no-such-program: `no-such-program` is not installed\n");
    job(false, "").run("notify test").exits(2).err_has("this job tells nobody");
}

#[test]
fn the_plan_shows_who_is_told_without_secrets() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let notify = format!("before = ['true', '5ecre7']\n{}", webhook(&server, "form = 'ntfy'"));
    let ran = job(false, &notify).run("plan").exits(0);
    assert!(!ran.out.contains("5ecre7"), "{ran}");
    ran.out_has("before           true (with 1 argument), for at most 10m\n")
        .out_has(&format!("notify           always: webhook {} (ntfy)\n", server.url("/***")));
    assert!(server.requests().is_empty());
}

#[test]
fn what_was_found_once_is_told_once_and_the_repair_is_told_too() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let notify =
        format!("[[jobs.nightly.notify.webhook]]\nwhen = 'on-change'\nurl = '{}'\n", server.url("/x"));
    let world = job(true, &notify);
    let told = |code| {
        let before = server.requests().len();
        run(&world).exits(code).err_is("");
        server.requests().len() > before
    };
    assert!(told(1), "the first night");
    assert!(!told(1), "the same bad file");
    std::fs::write(world.path("b/a"), "rot!").unwrap();
    assert!(told(1), "another bad file");
    assert!(!told(1));
    for (name, content) in [("b/a", "good"), ("b/b", "same")] {
        std::fs::write(world.path(name), content).unwrap();
    }
    assert!(told(0), "both are good again");
    assert!(!told(0));
    std::fs::rename(world.path("b"), world.path("away")).unwrap();
    let before = server.requests().len();
    for _ in 0..2 {
        run(&world).exits(4);
    }
    assert_eq!(server.requests().len(), before + 1, "the same error");
}

#[test]
fn without_a_ledger_a_change_is_not_known_and_every_failure_is_told() {
    let server = HttpServer::start(&[Answer::status("200 OK")]);
    let notify = format!(
        "state = 'none'\n[[jobs.nightly.notify.webhook]]\nwhen = 'on-change'\nurl = '{}'\n",
        server.url("/x")
    );
    let world = job(true, &notify);
    for times in 1..=2 {
        let ran = run(&world).exits(1);
        assert_eq!(ran.err.lines().count(), 1, "{ran}");
        ran.err_has("warning: how the last run of this job ended is not known, so what is sent on-change is sent on-failure");
        assert_eq!(server.requests().len(), times);
    }
}
