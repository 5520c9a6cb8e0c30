-- Every product as its document must show it.
select p.id::text as key, jsonb_build_object(
  'seller', p.seller_id, 'brand', coalesce(p.brand_id, 0), 'brand_name', coalesce(b.name, ''),
  'type', p.type, 'status', p.status, 'gtin', coalesce(p.gtin, ''), 'created_at', floor(extract(epoch from p.created_at) * 1000000)::bigint,
  'attributes', p.attributes, 'images', p.images,
  'reviews', coalesce(w.count, 0), 'ratings', coalesce(w.sum, 0),
  'texts', coalesce((select jsonb_object_agg(t.lang, jsonb_build_object('title', t.title, 'slug', t.slug, 'description', t.description))
                     from product_texts t where t.product_id = p.id), '{}'),
  'variants', coalesce((select jsonb_object_agg(v.sku, jsonb_build_object('options', v.options, 'gtin', coalesce(v.gtin, '')))
                        from variants v where v.product_id = p.id), '{}'),
  'categories', coalesce((select jsonb_object_agg(c.category_id::text, c.position)
                          from product_categories c where c.product_id = p.id), '{}')) as document
from products p left join brands b on b.id = p.brand_id left join audit_review w on w.product_id = p.id
