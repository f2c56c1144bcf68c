# The Windows Time service: its state, what it is configured to follow, what it follows; the time
# zone; and the host of a virtual machine.
Invoke-Part 'service' {
    $service = Get-WmiObject -Class Win32_Service -Filter "Name='W32Time'"
    if ($null -eq $service) { throw 'the service W32Time does not exist' }
    Add-Item 'service' @{ state = $service.State; start = $service.StartMode }
}
Invoke-Part 'role' {
    $computer = Get-WmiObject -Class Win32_ComputerSystem
    Add-Item 'role' @{ joined = $computer.PartOfDomain; role = $computer.DomainRole; domain = $computer.Domain }
}
Invoke-Part 'settings' {
    $settings = Get-ItemProperty -Path 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters'
    $client = Get-ItemProperty -Path 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\TimeProviders\NtpClient'
    Add-Item 'settings' @{ type = $settings.Type; servers = $settings.NtpServer; special = $client.SpecialPollInterval }
}
Invoke-Part 'status' {
    # What a program prints as an error is text to read here, not an error of the script.
    $ErrorActionPreference = 'Continue'
    $lines = @(& w32tm.exe /query /status /verbose 2>&1 | ForEach-Object { [string]$_ })
    Add-Item 'status' @{ code = $LASTEXITCODE; lines = $lines }
}
Invoke-Part 'zone' {
    $zone = Get-WmiObject -Class Win32_TimeZone
    Add-Item 'zone' @{ name = $zone.StandardName; bias = $zone.Bias }
}
Invoke-Part 'host' {
    $computer = Get-WmiObject -Class Win32_ComputerSystem
    $guest = 'HKLM:\SOFTWARE\Microsoft\Virtual Machine\Guest\Parameters'
    $parameters = $null
    if (Test-Path -Path $guest) { $parameters = Get-ItemProperty -Path $guest }
    Add-Item 'host' @{ maker = $computer.Manufacturer; model = $computer.Model; name = $parameters.PhysicalHostNameFullyQualified }
}
