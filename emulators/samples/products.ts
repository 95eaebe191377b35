/** The products that buyers order, with a name in each language. */
import type { Language } from './buyers.ts';

export interface Product {
  sku: string;
  name: Readonly<Record<Language, string>>;
  priceEuroCents: number;
  /** Ordered in large quantities. */
  isBulk: boolean;
}

function product(
  sku: string,
  priceEuroCents: number,
  isBulk: boolean,
  ...names: [string, string, string, string]
): Product {
  const [en, de, fr, ja] = names;
  return { sku, name: { en, de, fr, ja }, priceEuroCents, isBulk };
}

export const PRODUCTS: readonly Product[] = [
  product(
    'BRG-6204',
    485,
    true,
    'Ball bearing 6204-2RS',
    'Kugellager 6204-2RS',
    'Roulement à billes 6204-2RS',
    '玉軸受 6204-2RS',
  ),
  product(
    'BLT-M8-40',
    32,
    true,
    'Hex bolt M8 x 40, A2',
    'Sechskantschraube M8 x 40, A2',
    'Vis hexagonale M8 x 40, A2',
    '六角ボルト M8×40',
  ),
  product(
    'SHF-20-500',
    2_390,
    false,
    'Precision shaft 20 mm, 500 mm',
    'Präzisionswelle 20 mm, 500 mm',
    'Arbre de précision 20 mm, 500 mm',
    '精密シャフト 20mm×500mm',
  ),
  product(
    'MTR-24-90',
    14_950,
    false,
    'DC motor 24 V, 90 W',
    'Gleichstrommotor 24 V, 90 W',
    'Moteur à courant continu 24 V, 90 W',
    'DCモーター 24V 90W',
  ),
  product(
    'SNS-IND-4',
    3_725,
    false,
    'Inductive sensor, 4 mm range',
    'Induktiver Näherungsschalter, 4 mm',
    'Détecteur inductif, portée 4 mm',
    '近接センサー 4mm',
  ),
  product(
    'BLT-GT3-15',
    1_140,
    true,
    'Timing belt GT3, 15 mm',
    'Zahnriemen GT3, 15 mm',
    'Courroie crantée GT3, 15 mm',
    'タイミングベルト GT3 15mm',
  ),
  product(
    'CPL-FLX-12',
    1_875,
    false,
    'Flexible coupling 12/12 mm',
    'Elastische Kupplung 12/12 mm',
    'Accouplement élastique 12/12 mm',
    'フレキシブルカップリング 12mm',
  ),
  product(
    'SEL-NBR-30',
    96,
    true,
    'Shaft seal NBR 30 x 47 x 7',
    'Wellendichtring NBR 30 x 47 x 7',
    "Joint d'arbre NBR 30 x 47 x 7",
    'オイルシール NBR 30×47×7',
  ),
  product(
    'PNL-HMI-7',
    32_900,
    false,
    'Operator panel, 7 inch',
    'Bedienpanel, 7 Zoll',
    'Pupitre opérateur 7 pouces',
    '操作パネル 7インチ',
  ),
  product(
    'CBL-SHD-5',
    640,
    true,
    'Shielded cable 5 x 0.75, per metre',
    'Geschirmtes Kabel 5 x 0,75, je Meter',
    'Câble blindé 5 x 0,75, le mètre',
    'シールドケーブル 5×0.75 (1m)',
  ),
  product(
    'GBX-10-1',
    21_480,
    false,
    'Planetary gearbox 10:1',
    'Planetengetriebe 10:1',
    'Réducteur planétaire 10:1',
    '遊星減速機 10:1',
  ),
  product(
    'LUB-EP2-400',
    890,
    true,
    'EP2 grease, 400 g cartridge',
    'EP2-Fett, Kartusche 400 g',
    'Graisse EP2, cartouche 400 g',
    'EP2グリース 400g',
  ),
];
