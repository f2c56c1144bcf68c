# Traces of the Migration Preparation Tool: an uninstall entry, its logs; and the groups of the current user.
Invoke-Part 'tool' {
    $keys = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*',
        'HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\*'
    foreach ($entry in @(Get-ItemProperty -Path $keys -ErrorAction SilentlyContinue)) {
        if ($entry.DisplayName -like '*Migration Preparation*') { Add-Item 'installed' @{ name = $entry.DisplayName } }
    }
    $folders = "$env:ProgramData\Microsoft\Windows Server\Logs", "$env:ProgramFiles\Windows Small Business Server\Logs",
        "$env:ProgramFiles\Windows Server\Logs"
    foreach ($folder in $folders) {
        if (-not (Test-Path -Path $folder)) { continue }
        $logs = Get-ChildItem -Path $folder -Recurse -File -ErrorAction SilentlyContinue |
            Where-Object { $_.Name -match 'MigrationPrep|SourceTool|MPT|adprep' } | Sort-Object -Property LastWriteTime -Descending
        foreach ($log in @($logs | Select-Object -First 5)) { Add-Item 'log' @{ path = $log.FullName; time = $log.LastWriteTime } }
    }
    Add-Item 'tool' @{ read = $true }
}
Invoke-Part 'groups' {
    $user = [Security.Principal.WindowsIdentity]::GetCurrent()
    Add-Item 'groups' @{ user = $user.Name; sids = @($user.Groups | ForEach-Object { $_.Value }) }
}
