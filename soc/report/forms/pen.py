"""Draws Word templates of forms after the layout rules of Decree 30/2020/NĐ-CP.

Times New Roman stands in the files; Liberation Serif and Tinos have its widths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from soc.report.form_files import Form, FormField

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.oxml.xmlchemy import BaseOxmlElement
    from docx.table import Table
    from docx.text.paragraph import Paragraph
    from docx.text.run import Run

FONT, BOX_FONT = "Times New Roman", "DejaVu Sans"
CENTRE = WD_ALIGN_PARAGRAPH.CENTER


class Pen:
    """Writes paragraphs of one document in the form's type."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.document: WordDocument = Document()
        _set_page(self.document)

    def heading(self, text: str) -> None:
        paragraph = self.document.add_paragraph()
        paragraph.paragraph_format.space_before = Pt(9)
        paragraph.paragraph_format.space_after = Pt(3)
        paragraph.paragraph_format.keep_with_next = True
        write(paragraph, text.upper(), bold=True)

    def line(self, *names: str) -> None:
        """Fields side by side, each ``• label (*): value``."""
        if len(names) == 1:
            self.entry(self.document.add_paragraph(), names[0])
            return
        table = plain_table(self.document, 1, len(names))
        for cell, name in zip(table.rows[0].cells, names, strict=True):
            self.entry(cell.paragraphs[0], name)
            cell.paragraphs[0].paragraph_format.left_indent = Mm(2)  # the cell has a margin too

    def entry(self, paragraph: Paragraph, name: str) -> None:
        field = self.field(name)
        write(indented(paragraph), f"• {_short(field)}{_star(field)}: {{{{ {name} }}}}")

    def block(self, name: str) -> None:
        """A long text under its label."""
        field = self.field(name)
        paragraph = indented(self.document.add_paragraph())
        paragraph.paragraph_format.keep_with_next = True
        write(paragraph, f"• {field.label_vi}{_star(field)}:")
        self.text(name)

    def text(self, name: str) -> None:
        write(indented(self.document.add_paragraph()), "{{ " + name + " }}")

    def boxes(self, name: str, *, columns: int = 1, label: bool = True) -> None:
        """The choices of a field, each with its box; words beside it where the choice asks for them."""
        field = self.field(name)
        if label:
            paragraph = indented(self.document.add_paragraph())
            paragraph.paragraph_format.keep_with_next = True
            write(paragraph, f"• {field.label_vi}{_star(field)}:")
        rows = -(-len(field.choices) // columns)
        table = plain_table(self.document, rows, columns)
        for position, choice in enumerate(field.choices):
            cell = table.cell(position // columns, position % columns)
            paragraph = cell.paragraphs[0]
            paragraph.paragraph_format.left_indent = Mm(8 if columns < 3 else 4)
            write(paragraph, "{{ box." + name + "['" + choice.id + "'] }}", font=BOX_FONT)
            beside = ": {{ " + choice.text + " }}" if choice.text else ""
            write(paragraph, f" {choice.label_vi}{beside}")

    def field(self, name: str) -> FormField:
        field = self.form.field(name)
        if field is None:
            raise KeyError(name)
        return field


def letterhead(pen: Pen, note: str) -> None:
    """Issuer on the left, the national heading on the right; the law wants both side by side."""
    above = pen.document.add_paragraph()
    above.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    write(above, note, size=10, italic=True)
    table = plain_table(pen.document, 2, 2, widths=(Mm(66), Mm(99)))
    issuer, nation = table.cell(0, 0), table.cell(0, 1)
    centred(issuer.paragraphs[0], "{{ reporter_name|upper }}", bold=True, size=12)
    rule_below(centred(issuer.add_paragraph(), "", size=4), inset=Mm(22))
    centred(nation.paragraphs[0], "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", bold=True, size=12)
    centred(nation.add_paragraph(), "Độc lập - Tự do - Hạnh phúc", bold=True, size=13)
    rule_below(centred(nation.add_paragraph(), "", size=4), inset=Mm(22))
    centred(table.cell(1, 0).paragraphs[0], "Số: {{ document_number }}", size=12)
    centred(table.cell(1, 1).paragraphs[0], "{{ date_line }}", italic=True)


def title_and_addressees(pen: Pen) -> None:
    title = centred(pen.document.add_paragraph(), pen.form.heading_vi, bold=True, size=15)
    title.paragraph_format.space_before = Pt(14)
    title.paragraph_format.space_after = Pt(8)
    to = pen.document.add_paragraph()
    to.paragraph_format.left_indent = Mm(20)
    to.paragraph_format.keep_with_next = True
    write(to, "Kính gửi:")
    for tag in ("{%p for recipient in form.recipients_vi %}", "- {{ recipient }}", "{%p endfor %}"):
        paragraph = pen.document.add_paragraph()
        paragraph.paragraph_format.left_indent = Mm(32)
        write(paragraph, tag)


def signature(pen: Pen) -> None:
    """Who gets it on the left, who signs it on the right; never broken over two pages."""
    table = plain_table(pen.document, 1, 2, widths=(Mm(75), Mm(90)))
    keep_rows_whole(table)
    left, right = table.cell(0, 0), table.cell(0, 1)
    write(left.paragraphs[0], "Nơi nhận:", bold=True, italic=True, size=12)
    for line in ("- Như trên;", "- {{ owner_name }} (để báo cáo);", "- Lưu: VT."):
        write(left.add_paragraph(), line, size=11)
    top = centred(right.paragraphs[0], "NGƯỜI ĐẠI DIỆN THEO PHÁP LUẬT", bold=True)
    top.paragraph_format.space_before = Pt(10)
    centred(right.add_paragraph(), "{{ representative_position }}", bold=True)
    centred(right.add_paragraph(), "(Ký tên, đóng dấu hoặc ký số)", italic=True, size=12)
    for _ in range(4):
        centred(right.add_paragraph(), "")
    centred(right.add_paragraph(), "{{ representative_name }}", bold=True)


def write(
    paragraph: Paragraph,
    text: str,
    *,
    bold: bool = False,
    italic: bool = False,
    size: float = 13,
    font: str = FONT,
) -> Run:
    run = paragraph.add_run(text)
    run.bold, run.italic = bold, italic
    run.font.size = Pt(size)
    set_font(run._element.get_or_add_rPr(), font)
    return run


def centred(
    paragraph: Paragraph, text: str, *, bold: bool = False, italic: bool = False, size: float = 13
) -> Paragraph:
    paragraph.alignment = CENTRE
    write(paragraph, text, bold=bold, italic=italic, size=size)
    return paragraph


def set_font(properties: BaseOxmlElement, font: str) -> None:
    """For all four scripts, or Word shows Vietnamese letters in another face."""
    fonts = properties.find(qn("w:rFonts"))
    if fonts is None:
        fonts = OxmlElement("w:rFonts")
        properties.insert(0, fonts)
    for script in ("ascii", "hAnsi", "cs", "eastAsia"):
        fonts.set(qn(f"w:{script}"), font)


def rule_below(paragraph: Paragraph, *, inset: Mm) -> None:
    """A thin line under a paragraph, shorter than the column by ``inset`` on both sides."""
    paragraph.paragraph_format.left_indent = inset
    paragraph.paragraph_format.right_indent = inset
    borders, line = OxmlElement("w:pBdr"), OxmlElement("w:top")
    for name, value in (("val", "single"), ("sz", "6"), ("space", "1"), ("color", "auto")):
        line.set(qn(f"w:{name}"), value)
    borders.append(line)
    paragraph._p.get_or_add_pPr().append(borders)


def plain_table(
    document: WordDocument, rows: int, columns: int, *, widths: tuple[Mm, ...] = ()
) -> Table:
    """A table without lines, over the whole width of the text unless told."""
    table: Table = document.add_table(rows, columns)
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    table.autofit = False
    whole = widths or (Mm(165 / columns),) * columns
    for row in table.rows:
        for cell, width in zip(row.cells, whole, strict=True):
            cell.width = width
    for column, width in zip(table.columns, whole, strict=True):
        column.width = width
    return table


def keep_rows_whole(table: Table) -> None:
    """No page break inside a row: the signature stays with its name."""
    for row in table.rows:
        row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def _set_page(document: WordDocument) -> None:
    """A4; margins of Decree 30/2020: 20 mm, left 30, right 15."""
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin, section.bottom_margin = Mm(20), Mm(20)
    section.left_margin, section.right_margin = Mm(30), Mm(15)
    section.different_first_page_header_footer = True
    _number_pages(section.header.paragraphs[0])
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = FONT, Pt(13)
    set_font(normal.element.get_or_add_rPr(), FONT)
    normal.paragraph_format.space_after = Pt(2)
    normal.paragraph_format.line_spacing = 1.08


def _number_pages(paragraph: Paragraph) -> None:
    """Decree 30/2020: in the middle of the top margin, from the second page on."""
    run = centred(paragraph, "").runs[0]
    for kind, text in (("begin", ""), ("", "PAGE"), ("end", "")):
        part = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            part.set(qn("w:fldCharType"), kind)
        else:
            part.text = text
        run._element.append(part)


def indented(paragraph: Paragraph) -> Paragraph:
    paragraph.paragraph_format.left_indent = Mm(4)
    return paragraph


def _short(field: FormField) -> str:
    """The label without what its section already says."""
    return field.label_vi.removesuffix(" người liên hệ")


def _star(field: FormField) -> str:
    return " (*)" if field.required else ""
