# Updates that Windows Update would install, with what each is for, and the signs that a restart is pending.
Invoke-Part 'updates' {
    $session = New-Object -ComObject Microsoft.Update.Session
    $found = $session.CreateUpdateSearcher().Search('IsInstalled=0 and IsHidden=0')
    foreach ($update in @($found.Updates)) {
        $kinds = @($update.Categories | ForEach-Object { [string]$_.CategoryID })
        Add-Item 'update' @{
            title = $update.Title; severity = $update.MsrcSeverity; kinds = $kinds; optional = $update.BrowseOnly
        }
    }
    Add-Item 'updates' @{ code = [int]$found.ResultCode }
}
Invoke-Part 'restart' {
    $signs = @()
    $keys = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending',
        'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired'
    foreach ($key in $keys) { if (Test-Path -Path $key) { $signs += $key } }
    $manager = Get-ItemProperty -Path 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager'
    if (@($manager.PendingFileRenameOperations | Where-Object { $_ }).Count -gt 0) { $signs += 'PendingFileRenameOperations' }
    Add-Item 'restart' @{ signs = $signs }
}
