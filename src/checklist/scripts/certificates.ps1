# The certificates in the store of this server: web, mail, remote desktop and directory services use
# them.
Invoke-Part 'certificates' {
    foreach ($certificate in @(Get-ChildItem -Path 'Cert:\LocalMachine\My')) {
        if ($null -ne $certificate) { Add-Item 'certificate' @{ name = $certificate.Subject; ends = $certificate.NotAfter } }
    }
}
