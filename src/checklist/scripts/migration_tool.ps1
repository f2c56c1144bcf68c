# Traces of the Migration Preparation Tool: an uninstall entry, its logs and those of adprep, which
# it runs; and the groups of the current user.
Invoke-Part 'tool' {
    $keys = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*',
        'HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\*'
    foreach ($entry in @(Get-ItemProperty -Path $keys -ErrorAction SilentlyContinue)) {
        if ($entry.DisplayName -like '*Migration Preparation*') { Add-Item 'installed' @{ name = $entry.DisplayName } }
    }
    $folders = "$env:ProgramData\Microsoft\Windows Server\Logs", "$env:ProgramFiles\Windows Small Business Server\Logs",
        "$env:ProgramFiles\Windows Server\Logs", "$env:windir\debug\adprep\logs"
    foreach ($folder in $folders) {
        if (-not (Test-Path -Path $folder)) { continue }
        $logs = Get-ChildItem -Path $folder -Recurse | Where-Object { -not $_.PSIsContainer -and $_.Name -match 'MigrationPrep|SourceTool|adprep' }
        foreach ($log in @($logs | Sort-Object -Property LastWriteTime -Descending | Select-Object -First 5)) {
            $kind = 'log'
            if ($log.Name -like '*adprep*') { $kind = 'adprep' }
            Add-Item $kind @{ path = $log.FullName; time = $log.LastWriteTime }
        }
    }
}
Invoke-Part 'groups' {
    $user = [Security.Principal.WindowsIdentity]::GetCurrent()
    Add-Item 'groups' @{ user = $user.Name; sids = @($user.Groups | ForEach-Object { $_.Value }) }
}
