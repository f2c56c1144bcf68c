# What every probe begins with. Windows PowerShell 2.0 and newer; reads only. Each part prints one
# line of JSON in pure ASCII when it is done, so that a part that hangs loses nothing of the others.
# ConvertTo-Json is not used: it is newer than 2.0, and prints dates, numbers and short lists
# differently from version to version.
$mode = "$($ExecutionContext.SessionState.LanguageMode)"
if ($mode -ne '' -and $mode -ne 'FullLanguage') { '{"mode":"' + $mode + '"}'; return }
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'

# Text that is the same in every language's Windows: dates in UTC, numbers by the invariant culture,
# nothing as ''.
function Text($value) {
    if ($null -eq $value) { return '' }
    if ($value -is [datetime]) {
        return $value.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture)
    }
    return [string]::Format([Globalization.CultureInfo]::InvariantCulture, '{0}', $value)
}

# A text as JSON.
function Quote($value) {
    $text = (Text $value) -replace '\\', '\\' -replace '"', '\"'
    $text = [regex]::Replace($text, '[^\x20-\x7e]', { param($found) '\u{0:x4}' -f [int][char]$found.Value })
    return '"' + $text + '"'
}

# Adds one item to the part that is running: its kind, and a table of values that become texts.
# Lists stay lists.
function Add-Item([string]$kind, [hashtable]$values) {
    $fields = @('"kind":' + (Quote $kind))
    foreach ($key in $values.Keys) {
        if ($values[$key] -is [array]) {
            $fields += (Quote $key) + ':[' + (@($values[$key] | ForEach-Object { Quote $_ }) -join ',') + ']'
        } else {
            $fields += (Quote $key) + ':' + (Quote $values[$key])
        }
    }
    [void]$partItems.Add('{' + ($fields -join ',') + '}')
}

# All properties of an object, a line for each: for objects whose documentation does not list them.
function Describe($object) {
    return @($object.PSObject.Properties | ForEach-Object { "$($_.Name): $(try { Text $_.Value } catch { 'unreadable' })" })
}

# Why a part failed. A command or module that this Windows does not have is 'missing'; one that is
# there but cannot be loaded has failed.
function Explain($failure) {
    $kind = 'failed'
    $id = "$($failure.FullyQualifiedErrorId)"
    if ($id -eq 'CommandNotFoundException' -or $id -like 'Modules_ModuleNotFound*') { $kind = 'missing' }
    $cause = $failure.Exception.GetBaseException()
    $hresult = '{0:X8}' -f [Runtime.InteropServices.Marshal]::GetHRForException($cause)
    if ($cause -is [UnauthorizedAccessException] -or $hresult -eq '80070005' -or
        "$($failure.CategoryInfo.Category)" -eq 'PermissionDenied') { $kind = 'denied' }
    return '{"kind":"' + $kind + '","text":' + (Quote $failure.Exception.Message) + '}'
}

# Adds what a filter finds in event logs of the last 7 days: how many events, and one of each kind,
# the most frequent first. A log that does not exist is 'absent'.
function Add-Events([hashtable]$filter, [int]$most) {
    $filter['StartTime'] = (Get-Date).AddDays(-7)
    $events = @()
    try { $events = @(Get-WinEvent -FilterHashtable $filter -MaxEvents 2000) } catch {
        if ("$($_.FullyQualifiedErrorId)" -like 'NoMatchingLogsFound*') { Add-Item 'read' @{ level = $filter['Level']; absent = $true }; return }
        if ("$($_.FullyQualifiedErrorId)" -notlike 'NoMatchingEventsFound*') { throw }
    }
    Add-Item 'read' @{ level = $filter['Level']; events = $events.Count; absent = $false }
    foreach ($group in @($events | Group-Object -Property ProviderName, Id | Sort-Object -Property Count -Descending | Select-Object -First $most)) {
        $first = $group.Group[0]
        $message = Text $first.Message
        if ($message.Length -gt 300) { $message = $message.Substring(0, 300) }
        Add-Item 'event' @{
            count = $group.Count; provider = $first.ProviderName; id = $first.Id; time = $first.TimeCreated; message = $message
        }
    }
}

# Runs one part of the probe, and prints it. A failure ends that part alone.
function Invoke-Part([string]$partName, [scriptblock]$partBlock) {
    $partItems = New-Object System.Collections.ArrayList
    $partProblem = 'null'
    try { [void](. $partBlock) } catch { $partProblem = Explain $_ }
    '{"part":' + (Quote $partName) + ',"items":[' + ($partItems -join ',') + '],"problem":' + $partProblem + '}'
}

'{"probe":' + (Quote $probeName) + ',"computer":' + (Quote $env:COMPUTERNAME) + ',"taken":' + (Quote (Get-Date)) +
    ',"windows":' + (Quote ([Environment]::OSVersion.Version)) + ',"powershell":' + (Quote $PSVersionTable.PSVersion) + '}'
