# VPN servers and clients: services, connected adapters, the role Remote Access, and the connections
# of Windows' own client.
Invoke-Part 'services' {
    # Which of them are VPNs is decided by the reader, by name.
    foreach ($service in @(Get-WmiObject -Class Win32_Service)) {
        Add-Item 'service' @{ name = $service.Name; title = $service.DisplayName; state = $service.State; start = $service.StartMode }
    }
}
Invoke-Part 'adapters' {
    foreach ($adapter in @(Get-WmiObject -Class Win32_NetworkAdapter -Filter 'NetConnectionStatus=2')) {
        if ($null -ne $adapter) { Add-Item 'adapter' @{ name = $adapter.NetConnectionID; about = $adapter.Name; driver = $adapter.ServiceName; device = $adapter.PNPDeviceID } }
    }
}
Invoke-Part 'server' {
    Import-Module RemoteAccess
    $access = Get-RemoteAccess
    Add-Item 'server' @{ vpn = "$($access.VpnStatus)"; sites = "$($access.VpnS2SStatus)"; direct = "$($access.DAStatus)" }
}
Invoke-Part 'connections' {
    Import-Module VpnClient
    foreach ($connection in @(Get-VpnConnection -AllUserConnection) + @(Get-VpnConnection)) {
        if ($null -eq $connection) { continue }
        Add-Item 'connection' @{ name = $connection.Name; server = $connection.ServerAddress; state = "$($connection.ConnectionStatus)" }
    }
}
