/** Tables for the terminal and for Markdown from the same rows. */

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Sentences under the table. */
  readonly notes?: readonly string[];
}

/** Columns padded to their widest cell; the first to the left, the others to the right. */
export function renderText(table: Table): string {
  const lines = [table.columns, ...table.rows];
  const widths = table.columns.map((_, at) => Math.max(...lines.map((cells) => (cells[at] ?? "").length)));
  const renderLine = (cells: readonly string[]): string =>
    widths
      .map((width, at) => (at === 0 ? (cells[at] ?? "").padEnd(width) : (cells[at] ?? "").padStart(width)))
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const [head = [], ...rest] = lines;
  return [table.title, renderLine(head), rule, ...rest.map(renderLine), ...(table.notes ?? [])].join("\n");
}

export function renderMarkdown(table: Table): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = line(table.columns.map((_, at) => (at === 0 ? "---" : "---:")));
  const notes = (table.notes ?? []).map((note) => `\n${note}`);
  return [`## ${table.title}\n`, line(table.columns), rule, ...table.rows.map(line), ...notes].join("\n");
}

/** 1234567 as "1,234,567"; below 100 with one decimal; "-" for what was not measured. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "-";
  if (Math.abs(value) < 100 && !Number.isInteger(value)) return value.toFixed(1);
  return Math.round(value).toLocaleString("en-US");
}

export function formatPercent(share: number): string {
  return Number.isNaN(share) ? "-" : `${Math.round(share * 100)}%`;
}

export function formatMs(ms: number): string {
  if (Number.isNaN(ms)) return "-";
  return ms < 10 ? `${ms.toFixed(2)} ms` : `${ms.toFixed(1)} ms`;
}
