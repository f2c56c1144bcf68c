//! A folder that others cannot look into.

use std::ffi::{OsStr, c_void};
use std::io;
use std::ptr;

use cap_std::fs::Dir;
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;

use super::info::{checked, path_of, to_wide};
use super::names;

/// Inherits nothing from the folder above; full access, also to what is made inside, for the system, for administrators
/// and for the owner, and nothing for anybody else (SDDL, [MS-DTYP] 2.5.1).
const OWNER_ONLY: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)";

/// Makes a folder that only its owner, administrators and the system can enter. An error if it is there already.
pub fn create_private_dir(parent: &Dir, name: &str) -> io::Result<()> {
    if !names::is_holdable(name.as_bytes()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no plain name"));
    }
    let place = to_wide(&path_of(parent)?.join(OsStr::new(name)));
    let descriptor = Descriptor::parse(OWNER_ONLY)?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).map_err(io::Error::other)?,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    // SAFETY: `place` ends in a zero; `attributes` says its own size and points to a valid descriptor; all three live until
    // the call returns, and the system keeps none of them.
    checked(unsafe { CreateDirectoryW(place.as_ptr(), &raw const attributes) } != 0)
}

/// A security descriptor that the system has allocated.
struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    fn parse(text: &str) -> io::Result<Self> {
        let wide = to_wide(text.as_ref());
        let mut descriptor: *mut c_void = ptr::null_mut();
        // SAFETY: `wide` ends in a zero and lives until the call returns; `descriptor` receives a pointer; null is allowed for
        // the size, which is not wanted.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                wide.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        };
        checked(done != 0)?;
        Ok(Self(descriptor))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the conversion above, which documents LocalFree for it, and is freed only here.
        unsafe { LocalFree(self.0) };
    }
}
