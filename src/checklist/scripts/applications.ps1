# Installed programs of the machine and of each user, folders of programs and of their data,
# services outside Windows, databases, mail stores, add-ins of Essentials, and shared folders.
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
}
Invoke-Part 'folders' {
    # Microsoft's folder among the programs holds Exchange beside parts of Windows: its children are
    # listed one by one.
    $roots = @($env:ProgramFiles, ${env:ProgramFiles(x86)}, $env:ProgramData, "$env:SystemDrive\inetpub",
        "$env:ProgramFiles\Microsoft", "${env:ProgramFiles(x86)}\Microsoft")
    foreach ($root in $roots) {
        if (-not $root -or -not (Test-Path -Path $root)) { continue }
        foreach ($folder in @(Get-ChildItem -Path $root -ErrorAction SilentlyContinue | Where-Object { $_.PSIsContainer })) {
            Add-Item 'folder' @{ name = $folder.Name; path = $folder.FullName; data = ($root -eq $env:ProgramData) }
        }
    }
}
Invoke-Part 'services' {
    foreach ($service in @(Get-WmiObject -Class Win32_Service)) {
        if (-not $service.PathName -or $service.PathName -like "*$env:windir*") { continue }
        Add-Item 'service' @{ name = $service.Name; title = $service.DisplayName; command = $service.PathName }
    }
}
Invoke-Part 'databases' {
    $instances = 'HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\Instance Names\SQL'
    if (Test-Path -Path $instances) {
        foreach ($property in @((Get-ItemProperty -Path $instances).PSObject.Properties | Where-Object { $_.Name -notlike 'PS*' })) {
            $setup = Get-ItemProperty -Path "HKLM:\SOFTWARE\Microsoft\Microsoft SQL Server\$($property.Value)\Setup"
            Add-Item 'database' @{ name = "SQL Server $($property.Name) ($($setup.Version))"; path = "$($setup.SQLDataRoot)\DATA" }
        }
    }
    foreach ($version in 'v14', 'v15') {
        $key = "HKLM:\SOFTWARE\Microsoft\ExchangeServer\$version\Setup"
        if (-not (Test-Path -Path $key)) { continue }
        $setup = Get-ItemProperty -Path $key
        $number = "$($setup.MsiProductMajor).$($setup.MsiProductMinor).$($setup.MsiBuildMajor)"
        Add-Item 'database' @{ name = "Exchange Server ($number)"; path = "$($setup.MsiInstallPath)Mailbox" }
    }
}
Invoke-Part 'shares' {
    # Type 0 is a folder that was shared by hand. The system's own shares have another.
    foreach ($share in @(Get-WmiObject -Class Win32_Share -Filter 'Type=0')) {
        if ($share.Path) { Add-Item 'share' @{ name = $share.Name; path = $share.Path } }
    }
}
Invoke-Part 'add-ins' {
    Import-Module WssCmdlets
    foreach ($addIn in @(Get-WssAddIn)) {
        if ($null -ne $addIn) { Add-Item 'add-in' @{ name = $addIn.Name; all = @(Describe $addIn) } }
    }
}
