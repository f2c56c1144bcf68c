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
    # The critical ones by themselves, and all of them: errors are many, and must not push one out.
    Add-Events @{ LogName = 'System', 'Application'; Level = 1 } 2000
    Add-Events @{ LogName = 'System', 'Application'; Level = 2 } 40
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
