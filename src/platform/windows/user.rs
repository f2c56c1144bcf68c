//! Who runs this program, as Windows knows it.

use windows_sys::Win32::System::WindowsProgramming::GetUserNameW;

/// The name of the user who runs this program; there is no `sudo` to look behind.
pub fn user_name(_: Option<u32>) -> String {
    // A name has at most 256 letters (`UNLEN`), and a zero behind it.
    let mut name = [0_u16; 257];
    let mut length = 257;
    // SAFETY: the buffer holds `length` letters, and `length` is written with how many were filled.
    let found = unsafe { GetUserNameW(name.as_mut_ptr(), &raw mut length) } != 0;
    let letters = name.split(|letter| *letter == 0).next().unwrap_or_default();
    if found { String::from_utf16_lossy(letters) } else { "unknown".to_owned() }
}
