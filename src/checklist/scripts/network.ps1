# Adapters that are up, and their addresses with the way each was assigned. Loopback, link-local and privacy addresses
# are left out.
Invoke-Part 'adapters' {
    $adapters = @(Get-NetAdapter | Where-Object { -not $_.Hidden })
    foreach ($adapter in $adapters) {
        Add-Item 'adapter' @{ name = $adapter.Name; state = $adapter.Status; about = $adapter.InterfaceDescription }
    }
    $up = @($adapters | Where-Object { $_.Status -eq 'Up' } | ForEach-Object { $_.ifIndex })
    foreach ($address in @(Get-NetIPAddress | Where-Object { $up -contains $_.InterfaceIndex })) {
        if ([string]$address.PrefixOrigin -eq 'WellKnown' -or [string]$address.SuffixOrigin -eq 'Random') { continue }
        Add-Item 'address' @{
            adapter = $address.InterfaceAlias; address = ([string]$address.IPAddress -split '%')[0]
            prefix = $address.PrefixLength; origin = [string]$address.PrefixOrigin
        }
    }
}
