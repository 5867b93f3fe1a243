// Bundles the status page: one script, one style sheet, one document and an icon. A checkout serves what `npm run generate`
// has written to src/status/built/, because it has no build step; the package has the same files in dist/status-page/.
import { buildSync } from 'esbuild-wasm'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const source = join(root, 'src/status/page')

/** Members of the page's own objects, which get short names: none of them is a member of JSON, of the browser or of preact. */
const ownMembers =
  'report|isFailedOnly|hasAll|requestId|firstMs|isReasoning|lostAt|grouping|measure|stopper|turns|pace|problem|pieces|' +
  'words|reasoning|step|link|answer'

/** Custom properties get names of one letter, and lose the blanks that esbuild leaves in their values. */
function withShortNames(css: string): string {
  const names = new Map<string, string>()
  return css
    .replaceAll(/(--[a-z]+)(:(?= ))? ?/g, (_, name: string, colon = '') => {
      if (!names.has(name)) names.set(name, `--${String.fromCodePoint(97 + names.size)}`)
      return `${names.get(name)}${colon}`
    })
    .replaceAll(/(?<=light-dark\([^ ,)]+,) /g, '')
}

/** Name of each file → its text. */
export function buildStatusPage(): Record<string, string> {
  const { version, license } = JSON.parse(
    readFileSync(join(root, 'node_modules/preact/package.json'), 'utf8'),
  ) as { readonly version: string; readonly license: string }
  const { outputFiles } = buildSync({
    absWorkingDir: root,
    entryPoints: { app: join(source, 'main.ts') },
    outdir: '/',
    bundle: true,
    minify: true,
    mangleProps: new RegExp(`^(${ownMembers})$`),
    format: 'iife',
    charset: 'utf8',
    // Browsers that enforce Trusted Types are newer than this.
    target: 'es2022',
    banner: { js: `/* With preact ${version}, ${license} licence. */` },
    write: false,
    logLevel: 'silent',
  })
  const styles = buildSync({
    entryPoints: { app: join(source, 'page.css') },
    outdir: '/',
    minify: true,
    target: ['chrome123', 'firefox121', 'safari17.5'],
    write: false,
    logLevel: 'silent',
  })
  return {
    'app.css': withShortNames(styles.outputFiles[0]!.text),
    'app.js': outputFiles[0]!.text,
    'icon.svg': readFileSync(join(source, 'icon.svg'), 'utf8'),
    'index.html': readFileSync(join(source, 'index.html'), 'utf8').replaceAll(/\n\s*| \/(?=>)/g, ''),
  }
}
