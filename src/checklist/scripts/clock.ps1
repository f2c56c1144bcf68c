# The Windows Time service: its state, what it is configured to follow, and what it follows.
Invoke-Part 'service' {
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='W32Time'"
    if ($null -eq $service) { throw 'the service W32Time does not exist' }
    Add-Item 'service' @{ state = $service.State; start = $service.StartMode }
}
Invoke-Part 'role' {
    $computer = Get-CimInstance -ClassName Win32_ComputerSystem
    Add-Item 'role' @{ joined = $computer.PartOfDomain; role = [int]$computer.DomainRole; domain = $computer.Domain }
}
Invoke-Part 'settings' {
    $settings = Get-ItemProperty -Path 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters'
    Add-Item 'settings' @{ type = $settings.Type; servers = $settings.NtpServer }
}
Invoke-Part 'status' {
    # What a program prints as an error is text to read here, not an error of the script.
    $ErrorActionPreference = 'Continue'
    $lines = @(& w32tm.exe /query /status 2>&1 | ForEach-Object { [string]$_ })
    Add-Item 'status' @{ code = $LASTEXITCODE; lines = $lines }
}
