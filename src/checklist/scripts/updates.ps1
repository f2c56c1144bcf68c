# Updates that this server's own update service would install; with WSUS also those that Microsoft
# offers and WSUS has not approved; those that somebody has hidden; and the signs that a
# restart is pending.
function Find-Update($selection, $hidden) {
    $searcher = (New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher()
    if ($null -ne $selection) { $searcher.ServerSelection = $selection }
    $found = $searcher.Search("IsInstalled=0 and IsHidden=$hidden")
    foreach ($update in @($found.Updates)) {
        if ($null -eq $update) { continue }
        $kinds = @($update.Categories | ForEach-Object { [string]$_.CategoryID })
        Add-Item 'update' @{
            id = $update.Identity.UpdateID; title = $update.Title; severity = $update.MsrcSeverity; kinds = $kinds; optional = $update.BrowseOnly
        }
    }
    Add-Item 'search' @{ code = [int]$found.ResultCode }
}
Invoke-Part 'source' {
    $policy = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate'
    $server = ''; $used = 0
    if (Test-Path -Path $policy) { $server = (Get-ItemProperty -Path $policy).WUServer }
    if (Test-Path -Path "$policy\AU") { $used = (Get-ItemProperty -Path "$policy\AU").UseWUServer }
    Add-Item 'source' @{ wsus = $server; used = ($used -eq 1) }
}
Invoke-Part 'release' {
    $system = Get-WmiObject -Class Win32_OperatingSystem
    Add-Item 'release' @{ name = $system.Caption; build = $system.BuildNumber; type = $system.ProductType }
}
Invoke-Part 'updates' { Find-Update $null 0 }
Invoke-Part 'hidden' { Find-Update $null 1 }
Invoke-Part 'restart' {
    $signs = @()
    $keys = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending',
        'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired'
    foreach ($key in $keys) { if (Test-Path -Path $key) { $signs += $key } }
    $manager = Get-ItemProperty -Path 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager'
    if (@($manager.PendingFileRenameOperations | Where-Object { $_ }).Count -gt 0) { $signs += 'PendingFileRenameOperations' }
    Add-Item 'restart' @{ signs = $signs }
}
# 2 is Windows Update, which offers no other products. The last part, because a server without
# Internet waits long for it.
Invoke-Part 'unapproved' {
    $policy = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU'
    if ((Test-Path -Path $policy) -and (Get-ItemProperty -Path $policy).UseWUServer -eq 1) { Find-Update 2 0 }
}
