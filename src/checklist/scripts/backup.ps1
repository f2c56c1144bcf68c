# Windows Server Backup: its summary, and the newest events of its channel (4 succeeded, 5 failed, 50 low on space).
Invoke-Part 'summary' {
    if (-not (Get-Command Get-WBSummary -ErrorAction SilentlyContinue)) { Add-PSSnapin Windows.ServerBackup -ErrorAction SilentlyContinue }
    $summary = Get-WBSummary
    Add-Item 'summary' @{
        success = $summary.LastSuccessfulBackupTime; last = $summary.LastBackupTime; result = $summary.LastBackupResultHR
        message = $summary.DetailedMessage; versions = $summary.NumberOfVersions; next = $summary.NextBackupTime
    }
}
Invoke-Part 'events' {
    $filter = @{ LogName = 'Microsoft-Windows-Backup'; Id = 4, 5, 50; StartTime = (Get-Date).AddDays(-14) }
    $events = @()
    try { $events = @(Get-WinEvent -FilterHashtable $filter -MaxEvents 20) } catch {
        if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') { throw }
    }
    foreach ($event in $events) { Add-Item 'event' @{ id = $event.Id; time = $event.TimeCreated; message = $event.Message } }
    Add-Item 'events' @{ read = $true }
}
