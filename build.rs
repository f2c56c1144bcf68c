//! Adds the icon, the version resource and the manifest to the Windows program. There is nothing to
//! do for other systems.

// Cargo tells a build script everything by the environment.
#![allow(clippy::disallowed_methods)]

use std::error::Error;

/// Requests no elevation, allows paths of any length, makes all text UTF-8, and names the supported
/// versions of Windows. Without the last, Windows pretends to be an older version.
const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <trustInfo xmlns="urn:schemas-microsoft-com:asm.v3">
    <security>
      <requestedPrivileges>
        <requestedExecutionLevel level="asInvoker" uiAccess="false"/>
      </requestedPrivileges>
    </security>
  </trustInfo>
  <compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1">
    <application>
      <supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/>
    </application>
  </compatibility>
  <application xmlns="urn:schemas-microsoft-com:asm.v3">
    <windowsSettings>
      <longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware>
      <activeCodePage xmlns="http://schemas.microsoft.com/SMI/2019/WindowsSettings">UTF-8</activeCodePage>
    </windowsSettings>
  </application>
</assembly>
"#;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=assets/bkverify.ico");
    if std::env::var("CARGO_CFG_TARGET_OS")? == "windows" {
        winresource::WindowsResource::new()
            .set_icon("assets/bkverify.ico")
            .set_manifest(MANIFEST)
            .set("FileDescription", "bkverify: proves that a backup restores")
            .set("OriginalFilename", "bkverify.exe")
            .set("LegalCopyright", "MIT OR Apache-2.0")
            .compile_for("bkverify")?;
    }
    Ok(())
}
