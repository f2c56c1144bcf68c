# Essentials' alert viewer where there is one; critical and error events of the last days; disks;
# services.
Invoke-Part 'alerts' {
    Import-Module WssCmdlets
    foreach ($alert in @(Get-WssAlert)) {
        if ($null -eq $alert) { continue }
        Add-Item 'alert' @{
            severity = $alert.Severity; title = $alert.HealthDefinitionTitle; text = $alert.Description
            machine = $alert.MachineName; time = $alert.DateAndTime; ignored = $alert.IsSuppressed; all = @(Describe $alert)
        }
    }
}
Invoke-Part 'events' {
    $filter = @{ LogName = 'System', 'Application'; Level = 1, 2; StartTime = (Get-Date).AddDays(-7) }
    $events = @()
    try { $events = @(Get-WinEvent -FilterHashtable $filter -MaxEvents 2000) } catch {
        if ("$($_.FullyQualifiedErrorId)" -notlike 'NoMatchingEventsFound*') { throw }
    }
    foreach ($group in @($events | Group-Object -Property ProviderName, Id, Level | Sort-Object -Property Count -Descending | Select-Object -First 40)) {
        $first = $group.Group[0]
        $message = Text $first.Message
        if ($message.Length -gt 300) { $message = $message.Substring(0, 300) }
        Add-Item 'event' @{
            count = $group.Count; provider = $first.ProviderName; id = $first.Id; level = [int]$first.Level
            time = $first.TimeCreated; message = $message
        }
    }
}
Invoke-Part 'disks' {
    # The class, not Get-PhysicalDisk: the command shows the health as a word in the machine's
    # language.
    foreach ($disk in @(Get-WmiObject -Namespace 'root\Microsoft\Windows\Storage' -Class MSFT_PhysicalDisk)) {
        if ($null -eq $disk) { continue }
        Add-Item 'disk' @{ name = $disk.FriendlyName; health = $disk.HealthStatus; state = @($disk.OperationalStatus) }
    }
}
Invoke-Part 'services' {
    foreach ($service in @(Get-WmiObject -Class Win32_Service -Filter "StartMode='Auto' AND State<>'Running'")) {
        # 1077: nobody has tried to start it since the last boot.
        if ($null -eq $service -or 0, 1077 -contains $service.ExitCode) { continue }
        Add-Item 'service' @{ name = $service.Name; title = $service.DisplayName; state = $service.State; code = $service.ExitCode }
    }
}
