# What every probe begins with. Windows PowerShell 5.1 and newer; reads only.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'
$items = New-Object System.Collections.ArrayList
$problems = New-Object System.Collections.ArrayList

# Text in every language's Windows the same: dates in UTC, enums and numbers by the invariant culture, nothing as ''.
function Text($value) {
    if ($null -eq $value) { return '' }
    if ($value -is [datetime]) {
        return $value.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture)
    }
    return [string]::Format([Globalization.CultureInfo]::InvariantCulture, '{0}', $value)
}

# Adds one item: a part's name, and a table of values that become texts; lists stay lists of texts.
function Add-Item([string]$part, [hashtable]$values) {
    $item = @{ part = $part }
    foreach ($key in $values.Keys) {
        $value = $values[$key]
        if ($value -is [array]) { $item[$key] = @($value | ForEach-Object { Text $_ }) } else { $item[$key] = Text $value }
    }
    [void]$items.Add($item)
}

# Runs one part of the probe; a failure is kept and ends that part alone.
function Invoke-Part([string]$part, [scriptblock]$block) {
    try { . $block } catch {
        $kind = 'failed'
        if ($_.Exception -is [System.Management.Automation.CommandNotFoundException]) { $kind = 'missing' }
        $hresult = '{0:X8}' -f $_.Exception.HResult
        if ($_.Exception -is [UnauthorizedAccessException] -or $hresult -eq '80070005' -or
            $_.CategoryInfo.Category -eq 'PermissionDenied') { $kind = 'denied' }
        [void]$problems.Add(@{ part = $part; kind = $kind; text = Text $_.Exception.Message })
    }
}

# One line of pure ASCII, whatever code page the other end of the pipe expects.
function Show-Result {
    $json = ConvertTo-Json -InputObject @{ items = @($items); problems = @($problems) } -Depth 6 -Compress
    $json = [regex]::Replace($json, '[^\x20-\x7e]', { param($found) '\u{0:x4}' -f [int][char]$found.Value })
    [Console]::Out.WriteLine($json)
}
