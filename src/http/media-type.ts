export function parseMediaType(
  h: string | undefined,
): { essence: string; charset?: string; boundary?: string } | undefined {
  if (h === undefined) return undefined
  const [e = '', ...p] = h.split(';')
  const b = p.find((x) => x.includes('boundary='))
  return { essence: e.trim(), ...(b ? { boundary: b.split('=')[1]! } : {}) }
}
