import { expect, test } from "bun:test";
import { localImages, renderMarkdown, renderNotebook, withImages } from "./preview-html.ts";

test("pictures beside a document are found, those of elsewhere are left alone", () => {
  const html = renderMarkdown(
    "![a](plot.png) ![b](https://x.example/y.png) ![c](data:image/png;base64,AA==)",
  );
  expect(localImages(html)).toEqual(["plot.png"]);
  expect(withImages(html, new Map([["plot.png", "data:image/png;base64,BB=="]]))).toContain(
    'src="data:image/png;base64,BB=="',
  );
});

test("a notebook's cells and outputs, as text where they are text", () => {
  const notebook = {
    cells: [
      { cell_type: "markdown", source: ["# Title\n", "text"] },
      {
        cell_type: "code",
        execution_count: 3,
        source: "print('<b>')",
        outputs: [
          { output_type: "stream", text: ["<script>x</script>\n"] },
          { output_type: "error", traceback: ["\u001b[31mValueError\u001b[0m"] },
          { output_type: "display_data", data: { "image/png": "iVBO\nRw==" } },
        ],
      },
    ],
  };
  const html = renderNotebook(JSON.stringify(notebook))?.html ?? "";
  expect(html).toContain("<h1>Title</h1>");
  expect(html).toContain("[3]");
  expect(html).toContain("&lt;script&gt;");
  expect(html).toContain('<pre class="err">ValueError</pre>');
  expect(html).toContain('src="data:image/png;base64,iVBORw=="');
  expect(renderNotebook("{")).toBeUndefined();
  expect(renderNotebook("[]")).toBeUndefined();
});
