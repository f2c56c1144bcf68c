//! The program as a Windows program: which functions it needs from Windows, and what it says about
//! itself in its header and resources.

use std::fs;

use object::LittleEndian as LE;
use object::pe::ImageNtHeaders64;
use object::read::pe::{ImageNtHeaders, Import, PeFile64};

use crate::windows_lists;

const EXE: &str = env!("CARGO_BIN_EXE_bkverify");

/// Functions that Windows Server 2016 does not have yet, and that Rust programs have been seen to
/// import.
const TOO_NEW: [&str; 9] = [
    "ClosePseudoConsole",
    "CreatePseudoConsole",
    "GetFileInformationByName",
    "GetMachineTypeAttributes",
    "GetTempPath2W",
    "MapViewOfFile3",
    "QueryVirtualMemoryInformation2",
    "SetProcessDefaultCpuSetMasks",
    "VirtualAlloc2",
];

/// The list of libraries that this program may import. There is another program for older servers.
const LIST: &str = if cfg!(target_vendor = "win7") { "windows7-imports.txt" } else { "windows-imports.txt" };

/// Every function that the program imports, with its library.
fn imports(exe: &[u8]) -> Vec<(String, String)> {
    let pe = PeFile64::parse(exe).unwrap();
    let table = pe.import_table().unwrap().unwrap();
    let mut found = Vec::new();
    let mut descriptors = table.descriptors().unwrap();
    while let Some(descriptor) = descriptors.next().unwrap() {
        let library =
            String::from_utf8(table.name(descriptor.name.get(LE)).unwrap().to_ascii_lowercase()).unwrap();
        let mut thunks = table.thunks(descriptor.original_first_thunk.get(LE)).unwrap();
        while let Some(thunk) = thunks.next::<ImageNtHeaders64>().unwrap() {
            let function = match table.import::<ImageNtHeaders64>(thunk).unwrap() {
                Import::Ordinal(number) => format!("#{number}"),
                Import::Name(_, name) => String::from_utf8(name.to_vec()).unwrap(),
            };
            found.push((library.clone(), function));
        }
    }
    found
}

#[test]
fn the_program_imports_nothing_that_its_oldest_windows_lacks() {
    let imports = imports(&fs::read(EXE).unwrap());
    let allowed = windows_lists::read(LIST);
    // The list of the program for older servers names every function.
    let may = |(library, function): &&(String, String)| {
        allowed.iter().any(|(name, functions)| {
            let all = !cfg!(target_vendor = "win7");
            name == library && (all || functions.split(' ').any(|name| name == function))
        })
    };
    let foreign: Vec<_> = imports.iter().filter(|import| !may(import)).collect();
    assert!(imports.len() > 50, "only {} imports were found", imports.len());
    assert!(foreign.is_empty(), "not in tests/{LIST}: {foreign:?}");
    let new: Vec<_> = imports.iter().filter(|(_, function)| TOO_NEW.contains(&function.as_str())).collect();
    assert!(new.is_empty(), "newer than Windows Server 2016: {new:?}");
}

#[test]
fn the_header_asks_for_no_newer_windows() {
    let exe = fs::read(EXE).unwrap();
    let pe = PeFile64::parse(&*exe).unwrap();
    let header = pe.nt_headers().optional_header();
    assert!(header.major_subsystem_version.get(LE) <= 10);
    assert_eq!(header.subsystem.get(LE), object::pe::IMAGE_SUBSYSTEM_WINDOWS_CUI);
}

#[test]
fn the_program_carries_its_manifest_version_and_icon() {
    let exe = fs::read(EXE).unwrap();
    let holds = |needle: &[u8]| exe.windows(needle.len()).any(|part| part == needle);
    for setting in ["level=\"asInvoker\"", ">true</longPathAware>", ">UTF-8</activeCodePage>"] {
        assert!(holds(setting.as_bytes()), "the manifest lacks {setting}");
    }
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    assert!(holds(&wide("ProductVersion")) && holds(&wide(env!("CARGO_PKG_VERSION"))), "no version resource");
    let icon = include_bytes!("../../assets/bkverify.ico");
    let first_picture = icon.windows(4).position(|part| part == b"\x89PNG").unwrap();
    assert!(holds(&icon[first_picture..first_picture + 300]), "no icon");
}
