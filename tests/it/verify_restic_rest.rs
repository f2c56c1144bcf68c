//! Whole runs on a restic repository behind a REST server, which is `rclone serve restic`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use crate::verify_restic::{Repository, noisy};
use crate::world::RunResult;

const USER: &str = "me";
const PASSWORD: &str = "pa:ss@word";

/// A server of a folder. It is ended on drop.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn of(repository: &Repository, folder: &str) -> Self {
        let mut child = Command::new("rclone")
            .args(["serve", "restic", "--addr", "127.0.0.1:0", "--user", USER, "--pass", PASSWORD])
            .args(["--config", "/dev/null"])
            .arg(repository.world.path(folder))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = said.find_map(|line| Some(line.split_once("http://")?.1.to_owned())).unwrap();
        // Whoever stops reading ends a server that goes on to write.
        std::thread::spawn(move || said.for_each(drop));
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn run(repository: &Repository, address: &str, password: Option<&str>) -> RunResult {
    let mut command = repository.world.command(&format!(
        "--backup restic:rest:{address} --password file:password --source s --restore-to r --state none --sample all \
         --assume-unchanged"
    ));
    if let Some(password) = password {
        command.env("RESTIC_REST_USERNAME", USER).env("RESTIC_REST_PASSWORD", password);
    }
    RunResult::of(command, "")
}

#[test]
fn a_repository_behind_a_server_is_verified_and_its_damage_is_found() {
    let repository = noisy(2);
    let server = Server::of(&repository, "b");
    run(&repository, &format!("http://{}", server.address), Some(PASSWORD)).exits(0).out_has("24 files");
    let named = run(&repository, &format!("http://{USER}:pa%3Ass%40word@{}", server.address), None).exits(0);
    assert!(!named.to_string().contains("word"), "{named}");

    let pack = &repository.packs()[0];
    fs::set_permissions(pack, fs::Permissions::from_mode(0o600)).unwrap();
    let mut content = fs::read(pack).unwrap();
    let at = content.len() / 2;
    content[at] ^= 0x10;
    fs::write(pack, &content).unwrap();
    let address = format!("http://{}", server.address);
    run(&repository, &address, Some(PASSWORD)).exits(1).out_has("restore-failed: file-");
    fs::write(pack, &content[..at]).unwrap();
    run(&repository, &address, Some(PASSWORD)).exits(1).out_has("restore-failed: file-");
    fs::remove_file(pack).unwrap();
    run(&repository, &address, Some(PASSWORD)).exits(1).out_has("restore-failed: file-");
}

#[test]
fn a_server_that_refuses_or_does_not_answer_or_has_no_repository_is_told() {
    let repository = noisy(2);
    fs::create_dir(repository.world.path("none")).unwrap();
    let server = Server::of(&repository, "b");
    let address = format!("http://{}", server.address);
    let refused = run(&repository, &address, Some("wrong")).exits(4).err_has("RESTIC_REST_PASSWORD");
    assert!(!refused.to_string().contains(": wrong"), "{refused}");
    run(&repository, &address, None).exits(4).err_has("the server refuses it (401");
    let none = Server::of(&repository, "none");
    run(&repository, &format!("http://{}", none.address), Some(PASSWORD)).exits(4).err_has("keys");
    // Nobody answers at a port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    run(&repository, &format!("http://{free}/"), None).exits(4).err_has("the server does not answer");
    assert_eq!(repository.world.names("r"), [""; 0]);
}
