$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false
# Get-ScheduledTask fails where there is no task in the folder.
$found = @(Get-ScheduledTask -ErrorAction Stop | Where-Object { $_.TaskPath -eq '\bkverify\' })
$tasks = @($found | ForEach-Object {
    $info = $_ | Get-ScheduledTaskInfo
    $utc = { param($time) if ($time) { $time.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ') } else { '' } }
    @{
        name = [string]$_.TaskName
        state = [string]$_.State
        xml = [string]($_ | Export-ScheduledTask)
        last = (& $utc $info.LastRunTime)
        result = [string]$info.LastTaskResult
        next = (& $utc $info.NextRunTime)
    }
})
ConvertTo-Json -InputObject @{ tasks = $tasks } -Depth 4 -Compress
