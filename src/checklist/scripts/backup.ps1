# Windows Server Backup: its summary, what its schedule covers, and the newest events of its
# channel.
Invoke-Part 'summary' {
    # Server 2008 R2 has a snap-in, later versions a module.
    if (@(Get-PSSnapin -Registered | Where-Object { $_.Name -eq 'Windows.ServerBackup' }).Count -gt 0) {
        Add-PSSnapin Windows.ServerBackup
    } else { Import-Module WindowsServerBackup }
    $summary = Get-WBSummary
    Add-Item 'summary' @{
        success = $summary.LastSuccessfulBackupTime; last = $summary.LastBackupTime; result = $summary.LastBackupResultHR
        versions = $summary.NumberOfVersions; next = $summary.NextBackupTime; all = @(Describe $summary)
    }
    $policy = Get-WBPolicy
    if ($null -eq $policy) { Add-Item 'policy' @{ absent = $true } }
    else { Add-Item 'policy' @{ metal = $policy.BMR; state = $policy.SystemState; all = @(Describe $policy) } }
}
Invoke-Part 'events' {
    # 4: succeeded. 5 and 50 are failures, and so is every other error of the channel.
    $since = (Get-Date).AddDays(-14)
    $filters = @{ LogName = 'Microsoft-Windows-Backup'; Id = 4, 5, 50; StartTime = $since },
        @{ LogName = 'Microsoft-Windows-Backup'; Level = 1, 2; StartTime = $since }
    $known = @{}
    foreach ($filter in $filters) {
        $events = @()
        try { $events = @(Get-WinEvent -FilterHashtable $filter -MaxEvents 20) } catch {
            if ("$($_.FullyQualifiedErrorId)" -notlike 'NoMatchingEventsFound*') { throw }
        }
        foreach ($event in $events) {
            if ($known.ContainsKey($event.RecordId)) { continue }
            $known[$event.RecordId] = $true
            Add-Item 'event' @{ id = $event.Id; level = [int]$event.Level; time = $event.TimeCreated; message = $event.Message }
        }
    }
}
