# Best Practices Analyzer: the stored results of every installed model, and when it was scanned.
# Then those of Essentials' own analyser. A scan would write to the server, and is not started.
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
    Invoke-Part "results of $id" {
        foreach ($result in @(Get-BpaResult -Id $id)) { if ($null -ne $result) { Add-Result $result $id } }
    }
}
Invoke-Part 'essentials' {
    Import-Module WssCmdlets
    foreach ($result in @(Get-WssBpaScanResult)) { if ($null -ne $result) { Add-Result $result 'Essentials' } }
}
