// The files of the status page, read when somebody first looks, and kept.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzipSync } from 'node:zlib'

export interface PageFile {
  readonly type: string
  readonly bytes: Buffer
  /** The same bytes, compressed. */
  readonly gzip: Buffer
  /** The same in a tenth less, in another thread: 50 ms, once. */
  readonly brotli: () => Promise<Buffer>
  /** A strong entity tag with its quotes, of the bytes. */
  readonly etag: string
}

export interface PageFiles {
  readonly html: PageFile
  readonly js: PageFile
  readonly css: PageFile
  readonly icon: PageFile
}

const isBundled = !import.meta.url.endsWith('.ts')
/** What scripts/status-page.ts makes, in a checkout and in the package. */
const folder = new URL(isBundled ? 'status-page/' : 'built/', import.meta.url)

let files: PageFiles | undefined

/** @throws when the files cannot be read: the installation is incomplete. */
export function pageFiles(): PageFiles {
  files ??= {
    html: readFile('index.html', 'text/html; charset=utf-8'),
    js: readFile('app.js', 'text/javascript; charset=utf-8'),
    css: readFile('app.css', 'text/css; charset=utf-8'),
    icon: readFile('icon.svg', 'image/svg+xml'),
  }
  return files
}

function readFile(name: string, type: string): PageFile {
  const bytes = readFileSync(new URL(name, folder))
  const digest = createHash('sha256').update(bytes).digest('base64url')
  let brotli: Promise<Buffer> | undefined
  return {
    type,
    bytes,
    gzip: gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }),
    brotli: () => (brotli ??= promisify(brotliCompress)(bytes)),
    etag: `"${digest.slice(0, 22)}"`,
  }
}
