# Adapters with TCP/IP, and their addresses with the way each was assigned. Classes, not
# Get-NetAdapter, which Server 2008 R2 does not have.
Invoke-Part 'adapters' {
    foreach ($adapter in @(Get-WmiObject -Class Win32_NetworkAdapterConfiguration -Filter 'IPEnabled=TRUE')) {
        if ($null -eq $adapter) { continue }
        Add-Item 'adapter' @{
            name = $adapter.Description; dhcp = $adapter.DHCPEnabled
            addresses = @($adapter.IPAddress); masks = @($adapter.IPSubnet)
        }
    }
}
Invoke-Part 'origins' {
    foreach ($address in @(Get-NetIPAddress)) {
        Add-Item 'origin' @{ address = ("$($address.IPAddress)" -split '%')[0]; prefix = "$($address.PrefixOrigin)"; suffix = "$($address.SuffixOrigin)" }
    }
}
