import { describe, expect, it } from 'vitest';
import { quoteLiteral } from './quote.js';
import { canonicalType, fitsWithoutLoss, lengthMax, sameType, typeSql } from './types.js';

describe('types', () => {
  it('spells as the catalog does', () => {
    expect(
      ['int', 'int8', 'varchar(20)', 'timestamptz(3)', 'timestamp', 'timestamp(3) with time zone', 'numeric(10, 2)', 'int4[]', 'char', 'text'].map(canonicalType),
    ).toEqual([
      'integer', 'bigint', 'character varying(20)', 'timestamp(3) with time zone', 'timestamp without time zone',
      'timestamp(3) with time zone', 'numeric(10,2)', 'integer[]', 'character(1)', 'text',
    ]); // prettier-ignore
    expect(sameType('"Role"', 'public."Role"')).toBe(true);
  });

  it.each([
    ['text', 'text', true],
    ['character varying(20)', 'text', true],
    ['text', 'character varying', true],
    ['text', 'character varying(20)', false],
    ['character varying(20)', 'character varying(40)', true],
    ['character varying(40)', 'character varying(20)', false],
    ['character(4)', 'text', false],
    ['integer', 'bigint', true],
    ['bigint', 'integer', false],
    ['numeric(10,2)', 'numeric', true],
    ['numeric(10,2)', 'numeric(12,1)', false],
    ['uuid', 'text', false],
    ['timestamp without time zone', 'timestamp with time zone', false],
    ['text[]', 'text', false],
    ['text[]', 'text[]', true],
  ])('%s into %s: %s', (from, to, fits) => {
    expect(fitsWithoutLoss(from, to)).toBe(fits);
  });

  it('names built-in types so that no search path can replace them', () => {
    expect(typeSql('text', 25)).toBe('pg_catalog.text');
    expect(typeSql('uuid[]', 2951)).toBe('pg_catalog.uuid[]');
    expect(typeSql('integer', 23)).toBe('integer');
    expect(typeSql('timestamp(3) with time zone', 1184)).toBe('timestamp(3) with time zone');
    expect(typeSql('app."Role"', 20_000)).toBe('app."Role"');
    expect(lengthMax('character varying(3)')).toBe(3);
    expect(lengthMax('text')).toBeUndefined();
  });

  it('quotes literals', () => {
    expect(quoteLiteral("o'k")).toBe("'o''k'");
    expect(quoteLiteral("\\'")).toBe("E'\\\\'''");
  });
});
