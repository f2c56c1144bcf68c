# Essentials' alert viewer where there is one, else the critical and error events of the last days; disks; services.
Invoke-Part 'alerts' {
    Import-Module WssCmdlets -ErrorAction SilentlyContinue
    foreach ($alert in @(Get-WssAlert)) {
        if ($null -eq $alert) { continue }
        Add-Item 'alert' @{
            severity = [string]$alert.Severity; title = $alert.Title; text = $alert.ProblemDescription
            resolution = $alert.ResolutionDescription; machine = $alert.MachineName; time = $alert.DateTime; ignored = $alert.Ignored
        }
    }
    Add-Item 'alerts' @{ read = $true }
}
Invoke-Part 'events' {
    $filter = @{ LogName = 'System', 'Application'; Level = 1, 2; StartTime = (Get-Date).AddDays(-7) }
    $events = @()
    try { $events = @(Get-WinEvent -FilterHashtable $filter -MaxEvents 2000) } catch {
        if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') { throw }
    }
    foreach ($group in @($events | Group-Object -Property 'ProviderName', 'Id', 'Level' | Sort-Object -Property Count -Descending | Select-Object -First 40)) {
        $first = $group.Group[0]
        $message = Text $first.Message
        if ($message.Length -gt 300) { $message = $message.Substring(0, 300) }
        Add-Item 'event' @{
            count = $group.Count; provider = $first.ProviderName; id = $first.Id; level = [int]$first.Level
            time = $first.TimeCreated; message = $message
        }
    }
    Add-Item 'events' @{ read = $true }
}
Invoke-Part 'disks' {
    foreach ($disk in @(Get-PhysicalDisk)) {
        Add-Item 'disk' @{ name = $disk.FriendlyName; health = [int]$disk.HealthStatus; state = [string]$disk.OperationalStatus }
    }
    Add-Item 'disks' @{ read = $true }
}
Invoke-Part 'volumes' {
    foreach ($volume in @(Get-CimInstance -ClassName Win32_LogicalDisk -Filter 'DriveType=3')) {
        Add-Item 'volume' @{ name = $volume.DeviceID; size = $volume.Size; free = $volume.FreeSpace }
    }
    Add-Item 'volumes' @{ read = $true }
}
Invoke-Part 'services' {
    foreach ($service in @(Get-CimInstance -ClassName Win32_Service -Filter "StartMode='Auto' AND State<>'Running'")) {
        if ($service.ExitCode -in 0, 1077) { continue }
        Add-Item 'service' @{ name = $service.Name; title = $service.DisplayName; state = $service.State; code = $service.ExitCode }
    }
    Add-Item 'services' @{ read = $true }
}
