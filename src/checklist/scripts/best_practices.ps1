# Best Practices Analyzer: every installed model, scanned when its last scan is older than a day, and everything that
# does not comply. Then Essentials' own analyser.
Invoke-Part 'models' {
    foreach ($model in @(Get-BpaModel)) {
        $id = Text $model.Id
        Add-Item 'model' @{ id = $id; name = $model.Name; scanned = [string]$model.LastScanTime }
        Invoke-Part "scan of $id" {
            $old = $true
            if ($model.LastScanTime -is [datetime]) { $old = $model.LastScanTime -lt (Get-Date).AddDays(-1) }
            if ($old) { [void](Invoke-BpaModel -ModelId $id) }
            foreach ($result in @(Get-BpaResult -ModelId $id)) {
                if ($null -eq $result -or $result.Excluded) { continue }
                if ([string]$result.Severity -eq 'Information') { continue }
                Add-Item 'result' @{
                    model = $id; severity = [string]$result.Severity; title = $result.Title; problem = $result.Problem
                    impact = $result.Impact; resolution = $result.Resolution; category = [string]$result.Category
                }
            }
            Add-Item 'scanned' @{ model = $id }
        }
    }
    Add-Item 'models' @{ read = $true }
}
Invoke-Part 'essentials' {
    Import-Module WssCmdlets -ErrorAction SilentlyContinue
    [void](Invoke-WssBpaScan)
    foreach ($result in @(Get-WssBpaScanResult)) {
        if ($null -eq $result -or [string]$result.Severity -eq 'Information') { continue }
        Add-Item 'result' @{
            model = 'Essentials'; severity = [string]$result.Severity; title = $result.Title; problem = $result.Problem
            impact = $result.Impact; resolution = $result.Resolution; category = [string]$result.Category
        }
    }
    Add-Item 'essentials' @{ read = $true }
}
