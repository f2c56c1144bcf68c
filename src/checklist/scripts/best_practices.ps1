# Best Practices Analyzer: every installed model, scanned when its last scan is older than a day,
# and everything that does not comply. Then Essentials' own analyser. Each scan is a part of its
# own: scans are slow.
$models = New-Object System.Collections.ArrayList
Invoke-Part 'models' {
    Import-Module BestPractices
    foreach ($model in @(Get-BpaModel)) {
        if ($null -eq $model) { continue }
        Add-Item 'model' @{ id = $model.Id; name = $model.Name; scanned = $model.LastScanTime }
        [void]$models.Add($model)
    }
}
function Add-Result($result, $model) {
    Add-Item 'result' @{
        model = $model; severity = $result.Severity; title = $result.Title; problem = $result.Problem
        impact = $result.Impact; resolution = $result.Resolution; excluded = $result.Excluded; all = @(Describe $result)
    }
}
foreach ($model in $models) {
    $id = Text $model.Id
    Invoke-Part "scan of $id" {
        $old = $true
        if ($model.LastScanTime -is [datetime]) { $old = $model.LastScanTime -lt (Get-Date).AddDays(-1) }
        # `-Id`: the long name of the parameter changed after Server 2008 R2.
        if ($old) { [void](Invoke-BpaModel -Id $id) }
        foreach ($result in @(Get-BpaResult -Id $id)) {
            if ($null -ne $result -and "$($result.Severity)" -ne 'Information') { Add-Result $result $id }
        }
    }
}
Invoke-Part 'essentials' {
    Import-Module WssCmdlets
    [void](Invoke-WssBpaScan)
    foreach ($result in @(Get-WssBpaScanResult)) {
        if ($null -ne $result -and "$($result.Severity)" -ne 'Information') { Add-Result $result 'Essentials' }
    }
}
