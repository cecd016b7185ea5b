"""What happened on the bad morning: one story is one alert."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Story:
    """One alert to be: ``minutes`` ago, of a rule, on a host of an agency."""

    rule: str
    title: str
    title_vi: str
    level: str
    host: str
    agency: str | None
    system: str | None
    system_level: int
    minutes: float
    command: str
    times: int = 1


STORIES: tuple[Story, ...] = (
    Story(
        "r-shadow",
        "Shadow copies deleted",
        "Xóa bản sao lưu bóng (Shadow Copy)",
        "critical",
        "SXD-FS01",
        "sxd",
        "HT-011",
        3,
        14,
        "vssadmin.exe delete shadows /all /quiet",
        3,
    ),
    Story(
        "r-rename",
        "Many files renamed with a strange ending",
        "Ghi tệp hàng loạt với đuôi lạ",
        "critical",
        "SXD-FS01",
        "sxd",
        "HT-011",
        3,
        11,
        "1.912 tệp đổi đuôi .lckd trong 4 phút",
    ),
    Story(
        "r-geo",
        "Mail log-in from two countries",
        "Đăng nhập thư công vụ từ hai nước trong 40 phút",
        "high",
        "thu-cv-01",
        "skhcn",
        "HT-014",
        3,
        157,
        "Việt Nam → 203.0.113.77",
        4,
    ),
    Story(
        "r-admin",
        "Administrator made after hours",
        "Tạo tài khoản quản trị ngoài giờ",
        "high",
        "SYT-DC02",
        "syt",
        "HT-013",
        3,
        185,
        "net localgroup administrators tam01 /add",
    ),
    Story(
        "r-web",
        "Upload exploited, answered with 200",
        "Khai thác lỗ hổng tải tệp, phản hồi 200",
        "high",
        "dichvucong",
        "vpubnd",
        "HT-005",
        3,
        22,
        "POST /upload/tmp.jspx",
        7,
    ),
    Story(
        "r-enc",
        "Encoded PowerShell calls the Internet",
        "PowerShell mã hóa Base64 gọi ra Internet",
        "medium",
        "SNV-PC-040",
        "snv",
        None,
        2,
        35,
        "powershell.exe -nop -w hidden -enc SQBFAFgAKABOAGUAdwA",
        12,
    ),
    Story(
        "r-scan",
        "Port scan inside the government network",
        "Quét cổng nội bộ TSLCD",
        "medium",
        "STC-PC-092",
        "stc",
        None,
        1,
        78,
        "10.31.2.9 → 254 địa chỉ, cổng 445",
    ),
    Story(
        "r-av",
        "Anti-malware protection switched off",
        "Tắt bảo vệ của phần mềm chống mã độc",
        "medium",
        "SGD-PC-061",
        "sgddt",
        None,
        2,
        100,
        "AutoProtect: bật → tắt",
        2,
    ),
    Story(
        "r-vpn",
        "Many failed VPN log-ins, then one that works",
        "Đăng nhập VPN sai nhiều lần rồi thành công",
        "medium",
        "vpn-qt",
        "skhcn",
        "HT-004",
        3,
        130,
        "14 lần sai, 1 lần đúng",
    ),
    Story(
        "r-cert",
        "Certificate of a server ends soon",
        "Chứng thư số máy chủ sắp hết hạn",
        "low",
        "egov-sso",
        "skhcn",
        "HT-010",
        3,
        260,
        "còn 6 ngày",
    ),
    Story(
        "r-usb",
        "Strange USB stick on a workstation",
        "USB lạ trên máy trạm",
        "low",
        "STP-PC-022",
        "stp",
        None,
        2,
        312,
        "VID_0951 PID_1666",
        3,
    ),
    Story(
        "r-night",
        "Log-in outside office hours",
        "Đăng nhập ngoài giờ hành chính",
        "low",
        "SNV-PC-040",
        "snv",
        None,
        2,
        655,
        "22:47, lần đầu trong 90 ngày",
    ),
    Story(
        "r-rdp",
        "RDP scanned from the Internet",
        "Quét từ Internet vào cổng RDP",
        "low",
        "fw-ttdl-01",
        "skhcn",
        "HT-003",
        3,
        680,
        "203.0.113.0/28, 4.210 lượt bị chặn",
        20,
    ),
    Story(
        "r-upd",
        "Signatures updated",
        "Cập nhật mẫu nhận diện thành công",
        "informational",
        "EDR",
        None,
        None,
        0,
        722,
        "2.498/2.561 máy",
    ),
)
