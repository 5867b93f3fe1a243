// npm packs the package.json that lies in the folder. dist/ is a bundle, so what is packed names no packages to install: else
// npm would fetch 20 MB that nothing loads. `prepack` runs this with `trim`, `postpack` with `restore`; both may be repeated.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the packed package.json keeps of the whole one. */
export function packedManifest(whole: string): string {
  const {
    dependencies: _,
    devDependencies: __,
    scripts: ___,
    knip: ____,
    optionalDependencies,
    ...packed
  } = JSON.parse(whole) as object &
    Record<'dependencies' | 'devDependencies' | 'optionalDependencies' | 'scripts' | 'knip', object>
  // Node itself is no part of the bundle.
  const nodes = Object.entries(optionalDependencies).filter(([name]) => name.startsWith('node-linux-'))
  return `${JSON.stringify({ ...packed, optionalDependencies: Object.fromEntries(nodes) }, null, 2)}\n`
}

if (import.meta.main) {
  const manifest = join(import.meta.dirname, '../package.json')
  const kept = `${manifest}.whole`
  if (process.argv[2] === 'trim' && !existsSync(kept)) {
    const whole = readFileSync(manifest, 'utf8')
    renameSync(manifest, kept)
    writeFileSync(manifest, packedManifest(whole))
  } else if (process.argv[2] === 'restore' && existsSync(kept)) renameSync(kept, manifest)
}
