// Bundles the status page: one script, one style sheet, one document and an icon. A checkout serves what `npm run generate`
// has written to src/status/built/, because it has no build step; the package has the same files in dist/status-page/.
import { buildSync } from 'esbuild-wasm'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const source = join(root, 'src/status/page')

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
    'app.css': styles.outputFiles[0]!.text,
    'app.js': outputFiles[0]!.text,
    'icon.svg': readFileSync(join(source, 'icon.svg'), 'utf8'),
    'index.html': readFileSync(join(source, 'index.html'), 'utf8').replaceAll(/\n\s*| (?=\/>)/g, ''),
  }
}
