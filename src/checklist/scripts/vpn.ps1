# Routing and Remote Access (the VPN server), and connections of all users and of this one (VPN clients).
Invoke-Part 'service' {
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='RemoteAccess'"
    if ($null -eq $service) { Add-Item 'service' @{ state = 'Absent'; start = 'Absent' } }
    else { Add-Item 'service' @{ state = $service.State; start = $service.StartMode } }
}
Invoke-Part 'server' {
    $access = Get-RemoteAccess
    Add-Item 'server' @{
        vpn = [string]$access.VpnStatus; sites = [string]$access.VpnS2SStatus; direct = [string]$access.DAStatus
    }
}
Invoke-Part 'connections' {
    foreach ($connection in @(Get-VpnConnection -AllUserConnection) + @(Get-VpnConnection)) {
        if ($null -eq $connection) { continue }
        Add-Item 'connection' @{
            name = $connection.Name; server = $connection.ServerAddress; state = [string]$connection.ConnectionStatus
            kind = [string]$connection.TunnelType
        }
    }
    Add-Item 'connections' @{ read = $true }
}
