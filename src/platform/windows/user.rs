//! The name of the user who runs this program, from Windows.

use std::path::Path;
use std::ptr;

use windows_sys::Win32::Security::{
    CheckTokenMembership, CreateWellKnownSid, SECURITY_MAX_SID_SIZE, WinBuiltinAdministratorsSid,
};
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

/// Whether this process has the rights of an administrator. A member of that group has them only
/// after "Run as administrator".
pub fn is_administrator() -> bool {
    let mut sid = [0_u8; SECURITY_MAX_SID_SIZE as usize];
    let (mut length, mut is_member) = (SECURITY_MAX_SID_SIZE, 0);
    let group = sid.as_mut_ptr().cast();
    // SAFETY: `sid` has space for the largest identifier, and `length` says so. This group needs no
    // domain.
    let known =
        unsafe { CreateWellKnownSid(WinBuiltinAdministratorsSid, ptr::null_mut(), group, &raw mut length) };
    // SAFETY: `sid` holds the identifier that the call above wrote. Without a token, that of this
    // thread counts.
    known != 0
        && unsafe { CheckTokenMembership(ptr::null_mut(), group, &raw mut is_member) } != 0
        && is_member != 0
}

/// How many names a file has. Windows tells that only of an open file; what is asked here is about
/// links that other users planted, which its access lists prevent.
pub fn hard_links(_: &std::fs::Metadata) -> u64 {
    1
}

/// Whether what is at this path belongs to this user. Access lists decide here, not owners.
pub fn is_mine(_: &Path) -> bool {
    true
}
