# The volumes of fixed disks.
Invoke-Part 'volumes' {
    foreach ($volume in @(Get-WmiObject -Class Win32_LogicalDisk -Filter 'DriveType=3')) {
        Add-Item 'volume' @{ name = $volume.DeviceID; size = $volume.Size; free = $volume.FreeSpace }
    }
}
