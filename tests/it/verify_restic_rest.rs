//! Whole runs on a restic repository behind a REST server, which is `rclone serve restic`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// What a server does with a request for a pack.
enum Fate {
    Given,
    Status(&'static str),
    /// From now on, no connection gets an answer.
    Gone,
}

/// Starts a server of the repository. `fate` is told the name of a pack, and how many requests for
/// packs came before.
fn failing_server(
    repository: &Repository,
    fate: impl Fn(&str, usize) -> Fate + Send + Sync + 'static,
) -> String {
    let (folder, packs) = (repository.world.path("b"), AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Some((stream, path, range)) = request(stream.unwrap()) else { continue };
            let fate = match path.strip_prefix("data/") {
                Some(name) => fate(name, packs.fetch_add(1, Ordering::Relaxed)),
                None => Fate::Given,
            };
            match fate {
                Fate::Given => give(stream, &folder, &path, range),
                Fate::Status(status) => answer(stream, status, b""),
                Fate::Gone => return,
            }
        }
    });
    address
}

/// A connection, the path that is asked for, and the first and the last byte.
type Request = (TcpStream, String, Option<(usize, usize)>);

fn request(stream: TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?[1..].to_owned();
    let mut range = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((_, bytes)) = line.split_once("bytes=") {
            let (from, to) = bytes.split_once('-').unwrap();
            range = Some((from.parse().unwrap(), to.parse().unwrap()));
        }
    }
    Some((stream, path, range))
}

fn give(stream: TcpStream, folder: &Path, path: &str, range: Option<(usize, usize)>) {
    if let Some(kind) = path.strip_suffix('/') {
        let names = fs::read_dir(folder.join(kind)).unwrap();
        let names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        return answer(stream, "200 OK", serde_json::to_string(&names).unwrap().as_bytes());
    }
    let place: PathBuf = match path.strip_prefix("data/") {
        Some(name) => folder.join("data").join(&name[..2]).join(name),
        None => folder.join(path),
    };
    match (fs::read(place), range) {
        (Ok(content), Some((from, to))) => answer(stream, "206 Part", &content[from..=to]),
        (Ok(content), None) => answer(stream, "200 OK", &content),
        (Err(_), _) => answer(stream, "404 Not Found", b""),
    }
}

fn answer(mut stream: TcpStream, status: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // A client that has left does not matter.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

fn name_of(pack: &Path) -> String {
    pack.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_server_that_goes_away_during_a_run_is_no_damage() {
    let repository = noisy(2);
    let sound = failing_server(&repository, |_, _| Fate::Given);
    run(&repository, &sound, None).exits(0).out_has("24 files");
    for most in [0, 1, 2, 9] {
        let address = failing_server(&repository, move |_, before| match before < most {
            true => Fate::Given,
            false => Fate::Gone,
        });
        let ran = run(&repository, &address, None);
        assert!(matches!(ran.code, Some(3 | 4)), "after {most} requests: {ran}");
        assert!(!ran.out.contains("restore-failed"), "after {most} requests: {ran}");
    }
    // Nor is one that is busy whenever it is asked for this pack.
    let largest = name_of(&repository.packs()[0]);
    let busy = failing_server(&repository, move |name, _| match name == largest {
        true => Fate::Status("503 Service Unavailable"),
        false => Fate::Given,
    });
    let ran = run(&repository, &busy, None).exits(3);
    assert!(!ran.out.contains("restore-failed"), "{ran}");
}

#[test]
fn folders_that_a_server_no_longer_lists_are_unknown_and_not_lost() {
    let repository = noisy(2);
    for number in 0..4 {
        let folder = repository.world.path(&format!("s/folder-{number}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), number.to_string()).unwrap();
    }
    repository.backup(&[]);
    // The first request is for the list of the folder at the top.
    let address = failing_server(&repository, |_, before| match before {
        0 => Fate::Given,
        _ => Fate::Gone,
    });
    let ran = run(&repository, &address, None).exits(3).out_has("cannot be listed");
    assert!(!ran.out.contains("FAIL"), "{ran}");
}

#[test]
fn a_pack_that_a_server_cannot_read_condemns_no_file_of_another_pack() {
    let repository = noisy(2);
    for pack in &repository.packs()[..3] {
        let (pack, failing) = (name_of(pack), name_of(pack));
        let address = failing_server(&repository, move |name, _| match name == failing {
            true => Fate::Status("500 Internal Server Error"),
            false => Fate::Given,
        });
        // With one thread, nothing of the other packs is read while this one is asked for again.
        let ran = run(&repository, &format!("{address} --threads 1"), None).exits(1);
        let told = ran.out.contains("16 of 24 identical, 8 bad") && ran.out.contains(&pack[..8]);
        assert!(told, "{ran}");
    }
}
