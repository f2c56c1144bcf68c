//! The name of the user who runs this program, from Windows.

use std::path::Path;

use windows_sys::Win32::System::WindowsProgramming::GetUserNameW;

/// The name of the user who runs this program. Windows has no `sudo` whose caller would count.
pub fn user_name(_: Option<u32>) -> String {
    // A name has at most 256 units (`UNLEN`), followed by a zero.
    let mut name = [0_u16; 257];
    let mut length = 257;
    // SAFETY: the buffer has space for `length` units, and the call sets `length` to the number
    // that it wrote.
    let found = unsafe { GetUserNameW(name.as_mut_ptr(), &raw mut length) } != 0;
    let letters = name.split(|letter| *letter == 0).next().unwrap_or_default();
    if found { String::from_utf16_lossy(letters) } else { "unknown".to_owned() }
}

/// Whether this user manages the machine. Windows is not asked: it refuses whoever may not do what
/// only an administrator may.
pub fn is_administrator() -> bool {
    true
}

/// Whether what is at this path belongs to this user. Access lists decide here, not owners.
pub fn is_mine(_: &Path) -> bool {
    true
}
