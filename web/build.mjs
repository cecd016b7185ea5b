// Bundle the console's assets into soc/console/static as hashed files, with manifest.json naming them.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "soc", "console", "static");

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });

const result = await build({
  absWorkingDir: here,
  entryPoints: { console: "src/main.js", style: "styles/index.css" },
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".woff2": "file" },
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "esm",
  target: ["chrome109", "firefox115"],
  outdir: target,
  metafile: true,
  legalComments: "external",
  logLevel: "warning",
});

const manifest = {};
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  if (output.entryPoint === "src/main.js") manifest["console.js"] = basename(path);
  if (output.entryPoint === "styles/index.css") manifest["style.css"] = basename(path);
}

const icons = join(here, "icons");
for (const name of await readdir(icons)) {
  const content = await readFile(join(icons, name));
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 8);
  manifest[name] = name.replace(/(\.\w+)$/, `-${digest}$1`);
  await writeFile(join(target, manifest[name]), content);
}
await writeFile(join(target, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
console.log(`built ${Object.keys(result.metafile.outputs).length} bundles and ${(await readdir(icons)).length} pictures into ${relative(process.cwd(), target)}`);
