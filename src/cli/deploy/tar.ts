// Writes an archive of files, in which times, owners and modes do not depend on the machine, so that the same files are the same
// bytes. POSIX.1-1988 ustar, which every tar reads; directories are made on the way.

export interface ArchivedFile {
  /** Relative, of at most 100 bytes. */
  readonly path: string
  readonly isExecutable: boolean
  readonly bytes: Buffer
}

const blockBytes = 512

/** @throws for a path that a header cannot hold. */
export function tarOf(files: readonly ArchivedFile[]): Buffer {
  const pieces = files.flatMap(({ path, isExecutable, bytes }) => [
    header(path, isExecutable ? 0o755 : 0o644, bytes.length),
    bytes,
    Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes),
  ])
  return Buffer.concat([...pieces, Buffer.alloc(2 * blockBytes)])
}

function header(path: string, mode: number, size: number): Buffer {
  const block = Buffer.alloc(blockBytes)
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is too long for an archive`)
  block.write(path, 0)
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at)
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  // The sum is taken with blanks in its place.
  block.write('        0', 148)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
