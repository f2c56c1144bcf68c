//! Damage to a backup that is a folder.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::SystemTime;

use super::dice::Dice;
use super::mutate::Damage;
use super::tree::Originals;

const KINDS: [&str; 10] = [
    "flip a bit of a file",
    "flip a bit of a file",
    "zero a range of a file",
    "random bytes over a range of a file",
    "cut a file off",
    "lengthen a file",
    "delete a file",
    "rename a file",
    "exchange two files",
    "put a folder in a file's place",
];

/// Damages the folder `backup`, which is a complete copy of the originals, once or twice.
pub fn mutate(backup: &Path, originals: &Originals, dice: &mut Dice) -> Vec<Damage> {
    let files: Vec<_> = originals.files.keys().collect();
    let count = if dice.percent(10) { 2 } else { 1 };
    (0..count).map(|_| once(backup, &files, dice)).collect()
}

fn once(backup: &Path, files: &[&String], dice: &mut Dice) -> Damage {
    let kind = *dice.pick(&KINDS);
    let path = *dice.pick(files);
    let place = backup.join(path);
    let keeps_time = dice.percent(60);
    let told = |more: String| Damage { kind, told: format!("{kind}: {path}{more}, time kept: {keeps_time}") };
    // The first damage may have removed the file that the second is for.
    if !place.is_file() {
        return told(", which is gone".to_owned());
    }
    let time = fs::metadata(&place).unwrap().modified().unwrap();
    let more = match kind {
        "delete a file" => {
            fs::remove_file(&place).unwrap();
            return told(String::new());
        }
        "rename a file" => {
            let name = place.with_file_name("renamed");
            fs::rename(&place, &name).unwrap();
            return told(String::new());
        }
        "exchange two files" => return told(exchange(backup, &place, files[dice.below(files.len())])),
        "put a folder in a file's place" => {
            fs::remove_file(&place).unwrap();
            fs::create_dir(&place).unwrap();
            return told(String::new());
        }
        _ => change(&place, kind, dice),
    };
    let time = if keeps_time { time } else { SystemTime::now() };
    File::options().write(true).open(&place).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
    told(more)
}

/// Exchanges two files: their contents and times.
fn exchange(backup: &Path, place: &Path, other: &str) -> String {
    let (other_place, aside) = (backup.join(other), backup.join("aside"));
    if other_place.is_file() && other_place != place {
        fs::rename(place, &aside).unwrap();
        fs::rename(&other_place, place).unwrap();
        fs::rename(&aside, &other_place).unwrap();
    }
    format!(" and {other}")
}

/// Changes the content of a file.
fn change(place: &Path, kind: &str, dice: &mut Dice) -> String {
    let mut bytes = fs::read(place).unwrap();
    let start = dice.below(bytes.len());
    let end = (start + *dice.pick(&[1, 16, 512, 4096])).min(bytes.len());
    match kind {
        "flip a bit of a file" => {
            if let Some(byte) = bytes.get_mut(start) {
                *byte ^= 1 << dice.below(8);
            }
        }
        "zero a range of a file" => bytes[start..end].fill(0),
        "random bytes over a range of a file" => {
            let noise = dice.bytes(end - start);
            bytes[start..end].copy_from_slice(&noise);
        }
        "cut a file off" => bytes.truncate(start),
        _ => {
            let more = dice.below(3000) + 1;
            let zeros = dice.percent(50);
            bytes.extend(if zeros { vec![0; more] } else { dice.bytes(more) });
        }
    }
    fs::write(place, bytes).unwrap();
    format!(" from byte {start}, to {end} at most")
}
