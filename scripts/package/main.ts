// npm run package:deb [-- --arch amd64|arm64] [--into FOLDER] [--plain]: Debian packages, with a software bill of materials and
// SHA-256 sums beside them, into release/. `npm run package:npm` does the same with the package of npm.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { packedManifest } from '../packed-manifest.ts'
import { type Architecture, buildDeb, nodeNames } from './deb.ts'
import { sbomText } from './sbom.ts'
import { readSourceState } from './source-state.ts'

const root = resolve(import.meta.dirname, '../..')
const architectures = Object.keys(nodeNames) as Architecture[]
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { arch: { type: 'string' }, into: { type: 'string' }, plain: { type: 'boolean', default: false } },
})
const [kind] = positionals
const chosen = architectures.filter((each) => values.arch === undefined || each === values.arch)
if ((kind !== 'deb' && kind !== 'npm') || positionals.length > 1 || chosen.length === 0) {
  process.stderr.write(
    `usage: main.ts deb|npm [--arch ${architectures.join('|')}] [--into FOLDER] [--plain]\n`,
  )
  process.exit(2)
}
const into = resolve(values.into ?? join(root, 'release'))
const source = readSourceState(root, process.env)
const work = mkdtempSync(join(tmpdir(), 'llm-gateway-package-'))
process.once('exit', () => rmSync(work, { recursive: true, force: true }))
mkdirSync(into, { recursive: true })

const report = (text: string) => void process.stdout.write(`${text}\n`)
report(`building llm-gateway ${source.debianVersion}: bundling …`)
const draft = join(work, 'package')
mkdirSync(draft)
execFileSync(process.execPath, [join(root, 'scripts/build.ts'), join(draft, 'dist')], {
  env: { ...process.env, SOURCE_DATE_EPOCH: String(source.epochSeconds) },
  stdio: ['ignore', 'ignore', 'inherit'],
})

if (kind === 'deb') await buildDebs()
else packForNpm()
writeFileSync(join(into, `llm-gateway-${source.debianVersion}.cdx.json`), sbomText(root, source))
// Of the other kind too, if it is there already.
const sums = readdirSync(into)
  .filter((name) => /^llm-gateway[-_].*\.(?:deb|tgz|json)$/.test(name))
  .toSorted()
  .map(
    (name) =>
      `${createHash('sha256')
        .update(readFileSync(join(into, name)))
        .digest('hex')}  ${name}`,
  )
writeFileSync(join(into, 'SHA256SUMS'), sums.map((line) => `${line}\n`).join(''))
for (const line of sums) report(line)

async function buildDebs(): Promise<void> {
  const {
    DEBFULLNAME: name = 'The llm-gateway authors',
    DEBEMAIL: address = 'llm-gateway@packages.invalid',
  } = process.env
  for (const architecture of chosen) {
    report(`packing for ${architecture}: Node.js is fetched, and xz takes a minute of CPU or more …`)
    const maintainer = `${name} <${address}>`
    const parts = { architecture, dist: join(draft, 'dist'), into, isPlain: values.plain, maintainer }
    await buildDeb({ ...parts, root, source, work })
  }
}

function packForNpm(): void {
  const whole = readFileSync(join(root, 'package.json'), 'utf8')
  const { files } = JSON.parse(whole) as { files: readonly string[] }
  const names = files.filter((name) => !name.startsWith('!') && name !== 'dist')
  for (const name of [...names, 'README.md', 'LICENSE']) {
    cpSync(join(root, name), join(draft, name), { recursive: true })
  }
  writeFileSync(join(draft, 'package.json'), packedManifest(whole))
  const options = ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', into]
  execFileSync('npm', options, { cwd: draft, stdio: ['ignore', 'ignore', 'inherit'] })
}
