//! Healthy and failing disks, as their programs print them.

use super::super::super::machine::tests::recorded;
use super::super::super::{Os, Status};
use super::*;

const SCAN: &str = r#"{"smartctl":{"exit_status":0},"devices":[{"name":"/dev/sda","type":"sat"}]}"#;

fn smart_status(health: &str) -> Status {
    let machine = recorded(Os::Linux, &[("smartctl --scan", SCAN), ("smartctl -j -H", health)]);
    smart(&machine.visit()).status
}

#[test]
fn a_healthy_disk_passes_and_a_disk_with_lost_sectors_fails() {
    assert_eq!(smart_status(r#"{"smart_status":{"passed":true}}"#), Status::Pass);
    assert_eq!(smart_status(r#"{"smart_status":{"passed":false}}"#), Status::Fail);
    let lost =
        r#"{"smart_status":{"passed":true},"ata_smart_attributes":{"table":[{"id":197,"raw":{"value":8}}]}}"#;
    assert_eq!(smart_status(lost), Status::Fail);
    let media = r#"{"smart_status":{"passed":true},"nvme_smart_health_information_log":{"media_errors":3}}"#;
    assert_eq!(smart_status(media), Status::Fail);
}

#[test]
fn a_disk_without_health_data_is_unknown_and_no_disk_is_not_applicable() {
    let refused = include_str!("../../../tests/data/checklist/linux/smartctl-virtual-disk.json");
    assert_eq!(smart_status(refused), Status::CouldNotCheck);
    assert_eq!(smart_status("!timeout"), Status::CouldNotCheck);
    let none = include_str!("../../../tests/data/checklist/linux/smartctl-scan-none.json");
    let machine = recorded(Os::Linux, &[("smartctl", none)]);
    assert_eq!(smart(&machine.visit()).status, Status::NotApplicable);
}

#[test]
fn an_array_with_a_missing_member_fails() {
    let mdstat = |members: &str, device: &str| {
        format!(
            "Personalities : [raid1] \nmd0 : active raid1 sdb1[1]{device} sda1[0]\n      976630464 blocks super 1.2 [2/2] [{members}]\n      bitmap: 0/8 pages [0KB], 65536KB chunk\n\nunused devices: <none>\n"
        )
    };
    let status = |said: &str| raid(&recorded(Os::Linux, &[]).file("/proc/mdstat", said).visit()).status;
    assert_eq!(status(&mdstat("UU", "")), Status::Pass);
    assert_eq!(status(&mdstat("U_", "")), Status::Fail);
    assert_eq!(status(&mdstat("UU", "(F)")), Status::Fail);
    assert_eq!(status("Personalities : \nunused devices: <none>\n"), Status::NotApplicable);
    assert_eq!(status("garbage"), Status::CouldNotCheck);
}

#[test]
fn zfs_passes_only_if_every_pool_is_online() {
    let status = |said: &str| zfs(&recorded(Os::Linux, &[("zpool", said)]).visit()).status;
    assert_eq!(status("tank\tONLINE\n"), Status::Pass);
    assert_eq!(status("tank\tDEGRADED\nrpool\tONLINE\n"), Status::Fail);
    assert_eq!(status(""), Status::NotApplicable);
    assert_eq!(status("who knows"), Status::CouldNotCheck);
    assert_eq!(status("!1 permission denied"), Status::CouldNotCheck);
}

#[test]
fn btrfs_counters_above_zero_fail() {
    let good = include_str!("../../../tests/data/checklist/linux/btrfs-stats-good.txt");
    let bad = include_str!("../../../tests/data/checklist/linux/btrfs-stats-bad.txt");
    let status = |said: &str| {
        let machine = recorded(Os::Linux, &[("btrfs device stats /mnt/my data", said)]);
        btrfs(&machine.file("/proc/self/mounts", "/dev/loop0 /mnt/my\\040data btrfs rw 0 0\n").visit()).status
    };
    assert_eq!(status(good), Status::Pass);
    assert_eq!(status(bad), Status::Fail);
    assert_eq!(status(""), Status::CouldNotCheck);
}
