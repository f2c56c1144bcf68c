# Active Directory: levels, schema, operations masters, how SYSVOL is replicated, and what the tools
# complain of. The tools come last, because they are slow.
$roles = New-Object System.Collections.ArrayList
Invoke-Part 'role' {
    $computer = Get-WmiObject -Class Win32_ComputerSystem
    [void]$roles.Add($computer.DomainRole)
    Add-Item 'role' @{ role = $computer.DomainRole }
}
# 4 and 5 are domain controllers.
foreach ($role in $roles) { if ($role -lt 4) { return } }
function Find-Entry($path) { return New-Object System.DirectoryServices.DirectoryEntry("LDAP://$path") }
function Read-Value($entry, $name) { return $entry.Properties[$name].Value }
Invoke-Part 'levels' {
    $root = Find-Entry 'RootDSE'
    $schema = Find-Entry (Read-Value $root 'schemaNamingContext')
    Add-Item 'levels' @{
        domain = Read-Value $root 'domainFunctionality'; forest = Read-Value $root 'forestFunctionality'
        schema = Read-Value $schema 'objectVersion'
    }
}
Invoke-Part 'masters' {
    $root = Find-Entry 'RootDSE'
    $domain = Read-Value $root 'defaultNamingContext'
    $configuration = Read-Value $root 'configurationNamingContext'
    $places = @{
        pdc = $domain; rid = 'CN=RID Manager$,CN=System,' + $domain; infrastructure = "CN=Infrastructure,$domain"
        schema = Read-Value $root 'schemaNamingContext'; naming = "CN=Partitions,$configuration"
    }
    $masters = @{ here = Read-Value $root 'dsServiceName' }
    foreach ($role in $places.Keys) { $masters[$role] = Read-Value (Find-Entry $places[$role]) 'fSMORoleOwner' }
    Add-Item 'masters' $masters
}
Invoke-Part 'sysvol' {
    $settings = 'CN=DFSR-GlobalSettings,CN=System,' + (Read-Value (Find-Entry 'RootDSE') 'defaultNamingContext')
    $exists = [System.DirectoryServices.DirectoryEntry]::Exists("LDAP://$settings")
    $flags = ''
    if ($exists) { $flags = Read-Value (Find-Entry $settings) 'msDFSR-Flags' }
    Add-Item 'sysvol' @{ dfsr = $exists; flags = $flags }
}
Invoke-Part 'controllers' {
    $root = Find-Entry 'RootDSE'
    [System.DirectoryServices.DirectorySearcher]$search = New-Object System.DirectoryServices.DirectorySearcher((Find-Entry ('CN=Sites,' + (Read-Value $root 'configurationNamingContext'))), '(objectClass=nTDSDSA)')
    Add-Item 'controllers' @{ count = @($search.FindAll()).Count }
}
Invoke-Part 'log Directory Service' { Add-Events @{ LogName = 'Directory Service'; Level = 1, 2 } 40 }
Invoke-Part 'log DFS Replication' { Add-Events @{ LogName = 'DFS Replication'; Level = 1, 2 } 40 }
Invoke-Part 'log File Replication Service' { Add-Events @{ LogName = 'File Replication Service'; Level = 1, 2 } 40 }
Invoke-Part 'log DNS Server' { Add-Events @{ LogName = 'DNS Server'; Level = 1, 2 } 40 }
Invoke-Part 'replication' {
    $ErrorActionPreference = 'Continue'
    $lines = @(& repadmin.exe /showrepl /csv 2>&1 | ForEach-Object { [string]$_ })
    Add-Item 'replication' @{ code = $LASTEXITCODE; lines = $lines }
}
# The test SystemLog complains of any error of the last hour. The event logs are read by themselves.
Invoke-Part 'diagnosis' {
    $ErrorActionPreference = 'Continue'
    $lines = @(& dcdiag.exe /q /skip:SystemLog 2>&1 | ForEach-Object { [string]$_ })
    Add-Item 'diagnosis' @{ code = $LASTEXITCODE; lines = $lines }
}
