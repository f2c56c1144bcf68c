//! What the types of partitions in a GPT are called.

use crate::image::Guid;

/// The types of partitions in a GPT (Microsoft: `PARTITION_INFORMATION_GPT`; UEFI specification,
/// table "Defined GPT Partition Entry - Partition Type GUIDs"; Discoverable Partitions
/// Specification).
const TYPES: [(u128, &str); 18] = [
    (0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b, "EFI system"),
    (0xe3c9e316_0b5c_4db8_817d_f92df00215ae, "Microsoft reserved"),
    (0xebd0a0a2_b9e5_4433_87c0_68b6b72699c7, "basic data"),
    (0xde94bba4_06d1_4d40_a16a_bfd50179d6ac, "recovery"),
    (0x5808c8aa_7e8f_42e0_85d2_e1e90434cfb3, "dynamic disk metadata"),
    (0xaf9b60a0_1431_4f62_bc68_3311714a69ad, "dynamic disk data"),
    (0xe75caf8f_f680_4cee_afa3_b001e56efc2d, "storage spaces"),
    (0x558d43c5_a1ac_43c0_aac8_d1472b2923d1, "storage replica"),
    (0xdb97dba9_0840_4bae_97f0_ffb9a327c7e1, "cluster metadata"),
    (0x024dee41_33e7_11d3_9d69_0008c781f39f, "MBR partition scheme"),
    (0x21686148_6449_6e6f_744e_656564454649, "BIOS boot"),
    (0x0fc63daf_8483_4772_8e79_3d69d8477de4, "Linux data"),
    (0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709, "Linux root"),
    (0x933ac7e1_2eb4_4f13_b844_0e14e2aef915, "Linux home"),
    (0x0657fd6d_a4ab_43c4_84e5_0933c84b4f4f, "Linux swap"),
    (0xe6d6d379_f507_44c2_a23c_238f2a3df928, "Linux LVM"),
    (0xa19d880f_05fc_4d3b_a006_743f0f84911e, "Linux RAID"),
    (0x48465300_0000_11aa_aa11_00306543ecac, "Apple HFS+"),
];

/// What a type of a GPT is called.
pub(super) fn type_name(kind: Guid) -> String {
    let known = TYPES.iter().find(|(digits, _)| Guid::from_digits(*digits) == kind);
    known.map_or_else(|| format!("type {kind}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_looks_as_the_specification_writes_it() {
        // The bytes are those of the EFI system partition in a table that sgdisk wrote.
        let stored =
            [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
        assert_eq!(Guid(stored).to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(type_name(Guid(stored)), "EFI system");
        assert_eq!(type_name(Guid([1; 16])), "type 01010101-0101-0101-0101-010101010101");
    }
}
