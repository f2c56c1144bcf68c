# Installed programs of the machine and of each user, folders of programs and of their data, services outside Windows,
# and shared folders.
Invoke-Part 'programs' {
    $keys = @('HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*',
        'HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\*')
    foreach ($hive in @(Get-ChildItem -Path 'Registry::HKEY_USERS' -ErrorAction SilentlyContinue)) {
        $keys += "Registry::$($hive.Name)\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*"
    }
    foreach ($entry in @(Get-ItemProperty -Path $keys -ErrorAction SilentlyContinue)) {
        if (-not $entry.DisplayName -or $entry.SystemComponent -eq 1 -or $entry.ParentKeyName -or $entry.ReleaseType) { continue }
        Add-Item 'program' @{
            name = $entry.DisplayName; publisher = $entry.Publisher; version = $entry.DisplayVersion; folder = $entry.InstallLocation
        }
    }
    Add-Item 'programs' @{ read = $true }
}
Invoke-Part 'folders' {
    foreach ($root in @($env:ProgramFiles, ${env:ProgramFiles(x86)}, $env:ProgramData, "$env:SystemDrive\inetpub")) {
        if (-not $root -or -not (Test-Path -Path $root)) { continue }
        foreach ($folder in @(Get-ChildItem -Path $root -Directory -ErrorAction SilentlyContinue)) {
            Add-Item 'folder' @{ root = $root; name = $folder.Name; path = $folder.FullName; data = ($root -eq $env:ProgramData) }
        }
    }
    Add-Item 'folders' @{ read = $true }
}
Invoke-Part 'services' {
    foreach ($service in @(Get-CimInstance -ClassName Win32_Service)) {
        if (-not $service.PathName -or $service.PathName -like "*$env:windir*") { continue }
        Add-Item 'service' @{ name = $service.Name; title = $service.DisplayName; command = $service.PathName }
    }
    Add-Item 'services' @{ read = $true }
}
Invoke-Part 'databases' {
    $instances = 'HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\Instance Names\SQL'
    if (Test-Path -Path $instances) {
        $names = Get-ItemProperty -Path $instances
        foreach ($property in @($names.PSObject.Properties | Where-Object { $_.Name -notlike 'PS*' })) {
            $setup = Get-ItemProperty -Path "HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\$($property.Value)\Setup"
            Add-Item 'database' @{ name = "SQL Server $($property.Name)"; path = "$($setup.SQLDataRoot)\DATA" }
        }
    }
    Add-Item 'databases' @{ read = $true }
}
Invoke-Part 'shares' {
    foreach ($share in @(Get-SmbShare -Special $false)) {
        if ($share.Path) { Add-Item 'share' @{ name = $share.Name; path = $share.Path } }
    }
    Add-Item 'shares' @{ read = $true }
}
