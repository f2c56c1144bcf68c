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

/// Functions that Server 2008 R2 does not have, and that Rust programs and their C parts import
/// elsewhere.
const NEWER_THAN_2008_R2: [&str; 19] = [
    "CreateFile2",
    "CopyFile2",
    "DiscardVirtualMemory",
    "GetCurrentThreadStackLimits",
    "GetFileInformationByName",
    "GetOverlappedResultEx",
    "GetProcessInformation",
    "GetSystemTimePreciseAsFileTime",
    "GetThreadDescription",
    "IsWow64Process2",
    "PathCchCombineEx",
    "PrefetchVirtualMemory",
    "ProcessPrng",
    "SetProcessMitigationPolicy",
    "SetThreadDescription",
    "SetThreadInformation",
    "WaitOnAddress",
    "WakeByAddressAll",
    "WakeByAddressSingle",
];

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
    let foreign: Vec<_> =
        imports.iter().filter(|(library, _)| !allowed.iter().any(|(name, _)| name == library)).collect();
    assert!(imports.len() > 50, "only {} imports were found", imports.len());
    assert!(foreign.is_empty(), "not in tests/{LIST}: {foreign:?}");
    let older = if cfg!(target_vendor = "win7") { &NEWER_THAN_2008_R2[..] } else { &[] };
    let is_new = |function: &str| TOO_NEW.contains(&function) || older.contains(&function);
    let new: Vec<_> = imports.iter().filter(|(_, function)| is_new(function)).collect();
    assert!(new.is_empty(), "newer than the oldest Windows: {new:?}");
    // Server 2008 R2 has no such library, but this function in another: see `.ci/package-windows`.
    let combase = imports.iter().filter(|(library, _)| library == "combase.dll");
    assert!(combase.map(|(_, function)| function).eq(["CoTaskMemFree"]));
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
