//! Private folders that others can neither look into nor replace while they are used.

use std::ffi::{OsStr, c_void};
use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr;

use cap_std::fs::{Dir, OpenOptions};
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;

use super::info::{checked, path_of, to_wide};
use super::names;

/// Inherits nothing from the parent folder. Gives full access, also to everything made inside, to
/// the system, to administrators and to the owner, and no access to anybody else (SDDL, [MS-DTYP]
/// 2.5.1).
const OWNER_ONLY: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)";

/// Makes a folder that only its owner, administrators and the system can enter. It is an error if
/// it already exists.
pub fn create_private_dir(parent: &Dir, name: &str) -> io::Result<()> {
    if !names::is_holdable(name.as_bytes()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this name has a special meaning on Windows",
        ));
    }
    let path = to_wide(&path_of(parent)?.join(OsStr::new(name)));
    let descriptor = Descriptor::parse(OWNER_ONLY)?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).map_err(io::Error::other)?,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    // SAFETY: `path` ends in a zero. `attributes` contains its own size and points to a valid
    // descriptor. All three live until the call returns, and the system retains none of them.
    checked(unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) } != 0)
}

/// Makes a folder that only its owner, administrators and the system can enter, and opens it.
pub fn make_private_dir(parent: &Dir, name: &str) -> io::Result<Dir> {
    create_private_dir(parent, name)?;
    open_dir_no_follow(parent, name)
}

/// Makes a file with the permissions that its folder gives. It is an error if the name is taken.
pub fn create_private_file(dir: &Dir, name: &str) -> io::Result<File> {
    Ok(dir.open_with(name, OpenOptions::new().write(true).create_new(true))?.into_std())
}

/// Opens a folder in `parent`. It is an error if the name is a link or a junction. While the folder
/// is open, nobody can rename or replace it.
pub fn open_dir_no_follow(parent: &Dir, name: impl AsRef<Path>) -> io::Result<Dir> {
    let name = name.as_ref();
    let dir = parent.open_dir(name)?;
    if is_named(parent, name, &dir) {
        Ok(dir)
    } else {
        Err(io::Error::other("it is a link, which is not followed"))
    }
}

/// Opens a file in `dir` for reading and writing. It is an error if it is not a regular file.
pub fn open_file_no_follow(dir: &Dir, name: &str) -> io::Result<File> {
    if !dir.symlink_metadata(name)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(dir.open_with(name, OpenOptions::new().read(true).write(true))?.into_std())
}

/// What is wrong with the owner or the permissions of a folder, or of `file` in it. Here that is not
/// examined: files get the access list of their folder, which the user has set up.
pub fn who_else_can_change(_: &Dir, _: Option<&str>) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// Whether only its owner and administrators can read or change this open file. Here that is not
/// examined: files get the access list of their folder, which the user has set up.
pub fn is_closed_to_others(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// Whether this user made the folder. Here the name is enough: a folder that somebody else made
/// reveals nothing of this user's, and nobody can replace a folder while it is open.
pub fn is_ours(_: &Dir, _: &Dir) -> io::Result<bool> {
    Ok(true)
}

/// Whether a folder that was opened by this name really is in `parent`, and not where a link leads.
pub fn is_named(parent: &Dir, name: impl AsRef<Path>, dir: &Dir) -> bool {
    let expected = path_of(parent).map(|parent| parent.join(name));
    matches!((expected, path_of(dir)), (Ok(expected), Ok(found)) if names_match(&expected, &found))
}

fn names_match(one: &Path, other: &Path) -> bool {
    super::is_same_name(&super::path_to_bytes(one), &super::path_to_bytes(other))
}

/// Whether an open file that is removed disappears at once, and not only when it is closed.
pub const REMOVES_OPEN_FILES: bool = false;

/// Removes a file, whatever its own attributes are.
pub fn remove_file_even_read_only(dir: &Dir, name: &Path) -> io::Result<()> {
    match dir.remove_file(name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let mut permissions = dir.symlink_metadata(name)?.permissions();
            if !permissions.readonly() {
                return Err(error);
            }
            // On Windows this clears the read-only attribute and nothing else.
            permissions.set_readonly(false);
            dir.set_permissions(name, permissions)?;
            dir.remove_file(name)
        }
        done => done,
    }
}

/// A security descriptor that the system has allocated.
struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    fn parse(text: &str) -> io::Result<Self> {
        let wide = to_wide(text.as_ref());
        let mut descriptor: *mut c_void = ptr::null_mut();
        // SAFETY: `wide` ends in a zero and lives until the call returns. `descriptor` receives a
        // pointer. Null is allowed for the size, which is not wanted.
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
        // SAFETY: the pointer came from the conversion above, which documents LocalFree for it, and
        // it is freed only here.
        unsafe { LocalFree(self.0) };
    }
}
